"""What every part of one extraction shares: hands (warehouse, transport, writer), and who this is for."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stripe_cio_pipeline.extract.meter import Meter
from stripe_cio_pipeline.extract.progress import ObjectFailure, Progress, ProgressNote, Stage
from stripe_cio_pipeline.extract.sightings import Sightings
from stripe_cio_pipeline.extract.store import Tally
from stripe_cio_pipeline.extract.transport import Transport
from stripe_cio_pipeline.extract.writer import Writer
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Warehouse

#: The least time between two notes of one stage and object type.
NOTE_SECONDS = 0.5


@dataclass(slots=True)
class Session:
    """One run's hands. Belongs to one event loop."""

    warehouse: Warehouse
    transport: Transport
    writer: Writer
    meter: Meter
    policy: Policy
    run_id: str
    livemode: bool
    progress: Progress | None = None
    monotonic: Callable[[], float] = time.monotonic
    sightings: Sightings = field(default_factory=Sightings)
    tallies: dict[str, Tally] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failures: list[tuple[ObjectFailure, BaseException]] = field(default_factory=list)
    _noted: dict[tuple[str, str], float] = field(default_factory=dict)

    def tally(self, name: str, tally: Tally) -> None:
        """Add what a write did to the object type's sum. Called from the writing thread, one at a time."""
        self.tallies[name] = self.tallies.get(name, Tally()) + tally

    def note(
        self,
        stage: Stage,
        name: str,
        *,
        rows: int = 0,
        requests: int = 0,
        rows_per_second: float = 0.0,
        share: float | None = None,
        seconds_left: float | None = None,
        message: str = "",
        always: bool = False,
    ) -> None:
        """Tell whoever listens, not too often."""
        if self.progress is None:
            return
        moment = self.monotonic()
        if not always and moment - self._noted.get((stage, name), float("-inf")) < NOTE_SECONDS:
            return
        self._noted[stage, name] = moment
        self.progress(ProgressNote(stage, name, rows, requests, rows_per_second, share, seconds_left, message))
