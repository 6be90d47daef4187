"""What a run tells while it goes on, and when it is done."""

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
    newest event and this reading, by Stripe's clock, None where there was none. `unread` are single objects that could
    not be read: they stay as they were, and the others of their type are up to date.
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
    unread: tuple[ObjectFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class OlderEvents:
    """What was fetched: events that the warehouse did not have, and requests. `incomplete`: some are beyond reach."""

    events: int
    requests: int
    incomplete: bool


@dataclass(frozen=True, slots=True)
class MonthProof:
    """One object type in one month (`2026-11`, UTC; `unknown` for objects without `created`).

    A hash is the sum over all rows of a hash of id and content, so that it does not depend on order and one changed
    character changes it. `before` is the warehouse as it was found, `after` as it was left.
    """

    object: str
    month: str
    stripe_rows: int
    stripe_hash: str
    before_rows: int
    before_hash: str
    after_rows: int
    after_hash: str

    @property
    def equal_before(self) -> bool:
        """Whether the warehouse held exactly what Stripe listed."""
        return (self.stripe_rows, self.stripe_hash) == (self.before_rows, self.before_hash)

    @property
    def equal_after(self) -> bool:
        """Whether it does now."""
        return (self.stripe_rows, self.stripe_hash) == (self.after_rows, self.after_hash)


@dataclass(frozen=True, slots=True)
class ObjectReconciliation:
    """What was found for one object type, in objects.

    `missing`: in Stripe and not in the warehouse. `changed`: with another content. `vanished`: in the warehouse and
    not in Stripe's list; of these `confirmed_deleted` are gone and `hidden` still answer by id (objects on test clocks
    are never listed). `explained` of them all changed since events were last read: no loss, only lag. `tampered` is
    how many rows were changed past the pipeline.
    """

    name: str
    stripe_rows: int
    before_rows: int
    after_rows: int
    missing: int
    changed: int
    vanished: int
    explained: int
    tampered: int
    confirmed_deleted: int
    hidden: int
    repaired: int
    whole: bool
    examples: tuple[str, ...]
    months: tuple[MonthProof, ...]

    @property
    def differing(self) -> int:
        """Everything that was not as in Stripe and that lag does not explain."""
        return self.missing + self.changed + self.vanished - self.hidden - self.explained


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What a reconcile found and did. `expected_requests` and `expected_seconds` were said before it began.

    `clean`: there was nothing to repair. `whole`: now the warehouse holds exactly what Stripe lists, month by month.
    `unread` are single objects of which it is not known whether they are there.
    """

    objects: tuple[ObjectReconciliation, ...]
    requests: int
    seconds: float
    expected_requests: int
    expected_seconds: float
    dry_run: bool
    clean: bool
    whole: bool
    warnings: tuple[str, ...]
    failures: tuple[ObjectFailure, ...] = ()
    unread: tuple[ObjectFailure, ...] = ()
