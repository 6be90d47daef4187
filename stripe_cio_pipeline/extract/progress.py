"""What an extraction tells while it runs, and when it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["cost", "history", "events", "changes", "reconcile"]


@dataclass(frozen=True, slots=True)
class ProgressNote:
    """A moment of a run.

    `rows` and `requests` are counted since the stage of this object type began (history: including earlier runs);
    `share` (0 to 1) and `seconds_left` are estimates, None where nothing can be known yet.
    """

    stage: Stage
    object: str
    rows: int
    requests: int
    rows_per_second: float
    share: float | None = None
    seconds_left: float | None = None
    message: str = ""


Progress = Callable[[ProgressNote], None]


@dataclass(frozen=True, slots=True)
class ObjectFailure:
    """An object type that was not brought up to date. Nothing of it is marked as finished."""

    object: str
    error: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """What happened to one object type. `read` counts objects in answers, `seconds` is machine time."""

    name: str
    read: int
    added: int
    changed: int
    deleted: int
    requests: int
    seconds: float
    history_finished: bool
    rows_total: int


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What one extraction did.

    `watermark` is the moment in Stripe's clock up to which events were read; `lag_seconds` is the time between the
    newest event and this reading, by Stripe's clock, None where there was none.
    """

    objects: tuple[ObjectReport, ...]
    requests: int
    events: int
    throttled: int
    seconds: float
    watermark: int | None
    lag_seconds: float | None
    healed_gap: bool
    warnings: tuple[str, ...]
    failures: tuple[ObjectFailure, ...] = ()
