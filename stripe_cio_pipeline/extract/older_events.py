"""Events from before the installation, fetched when somebody wants them forwarded.

They say nothing about objects that is not known by now: history was listed after them. So they are stored alone,
without signals, and the watermark stays. A fetch that is interrupted keeps its pages and is begun anew by the next one.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from stripe_cio_pipeline.extract.feed import ReadEvent, is_gap, read_event, write_events
from stripe_cio_pipeline.extract.objects import EVENTS_PATH
from stripe_cio_pipeline.extract.progress import Progress
from stripe_cio_pipeline.extract.running import open_session
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.slices import Slice, SlicePlan
from stripe_cio_pipeline.extract.transport import Answer, Patience
from stripe_cio_pipeline.extract.walk import walk
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Warehouse


@dataclass(frozen=True, slots=True)
class OlderEvents:
    """What was fetched: events that the warehouse did not have, and requests. `incomplete`: some are beyond reach."""

    events: int
    requests: int
    incomplete: bool


def fetch_older_events(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    since: float,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> OlderEvents:
    """Store the events since a moment (unix seconds of Stripe's clock) that an installation began too late for.

    Stripe keeps events for 30 days; where `since` is longer ago the report says `incomplete`.
    Raises WarehouseMissing where nothing was ever synced, SettingsError, BindingError, StripeError, WarehouseError.
    """
    with warehouse.reading():
        pass
    return asyncio.run(_fetch(warehouse, settings, policy, run_id, int(since), progress, now, patience))


async def _fetch(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    run_id: str,
    since: int,
    progress: Progress | None,
    now: Callable[[], float],
    patience: Patience | None,
) -> OlderEvents:
    async with open_session(
        warehouse, settings, policy, run_id=run_id, progress=progress, now=now, patience=patience
    ) as (session, state):
        if state.watermark is None or since >= state.watermark:
            return OlderEvents(0, session.meter.requests, False)
        # The sync reads what comes after.
        book = _Book(session, SlicePlan([Slice(since, state.watermark)]))
        session.writer.open_book(book)
        await walk(session.transport, session.writer, book, EVENTS_PATH, {})
        await session.writer.commit_now()
        return OlderEvents(book.new, session.meter.requests, is_gap(since, session.transport.stripe_now))


class _Book:
    """Gathers pages of events, and writes those that are new."""

    def __init__(self, session: Session, plan: SlicePlan) -> None:
        self.plan = plan
        self.new = 0
        self.gathered_pages = 0
        self._read = 0
        self._session = session
        self._gathered: list[ReadEvent] = []

    @property
    def gathered_rows(self) -> int:
        """Events that wait to be written."""
        return len(self._gathered)

    async def prepare(self, answer: Answer) -> list[ReadEvent]:
        """Make of a page what is stored."""
        return [read_event(payload, answer.date) for payload in answer.body["data"]]

    def keep(self, events: list[ReadEvent]) -> None:
        """Gather a page."""
        self._gathered += events
        self.gathered_pages += 1
        self._read += len(events)
        self._session.note("events", "events", rows=self._read, requests=self._session.meter.requests)

    def close_page(self) -> Entry:
        """Hand over the events."""
        events, self._gathered, self.gathered_pages = self._gathered, [], 0

        def write(connection: Connection, seq: int) -> None:
            self.new += len(write_events(connection, self._session, events, seq))

        return write
