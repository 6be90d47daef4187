"""What stands in a plan, looked at once before anything is sent, and how much memory DuckDB may take for it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from stripe_cio_pipeline.deliver.packing import MAX_BODY_BYTES, MAX_OPERATION_BYTES
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

#: Spans are counted first, so that a stretch is bounded by bytes whatever lies where in the plan.
SPAN = 1_024
STRETCH_BYTES = 8_000_000

_LEAST_MEGABYTES = 150
#: DuckDB works on 2,048 rows at once, and an operation passes through about a dozen such vectors.
_ROWS_AT_ONCE = 2_048
_VECTORS = 12


class Phase(StrEnum):
    """The order of a delivery. Each phase begins when the one before is answered and written down."""

    PEOPLE = "people"
    REMOVALS = "removals"
    EVENTS = "events"


_PHASES = {
    "identify": Phase.PEOPLE,
    "update": Phase.PEOPLE,
    "delete": Phase.REMOVALS,
    "suppress": Phase.REMOVALS,
    "merge": Phase.REMOVALS,
    "event": Phase.EVENTS,
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the plan: positions from `first` up to, and without, `after_last`."""

    first: int
    after_last: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Survey:
    """A plan in numbers: items by action, and how what each phase sends lies in it.

    `first` is the plan's first position. `megabytes` is what DuckDB needs for the widest operation; `has_unsendable`
    says that some are empty or too large.
    """

    plan_id: str
    first: int
    planned: Mapping[str, int]
    megabytes: int
    has_unsendable: bool
    spans: Mapping[Phase, Mapping[int, int]]

    @property
    def total(self) -> int:
        """Items in the plan, held ones among them."""
        return sum(self.planned.values())

    @property
    def held(self) -> int:
        """Items about which nothing is sent."""
        return self.planned.get("hold", 0)

    def stretches(self, phase: Phase) -> list[Stretch]:
        """Cut what a phase sends into stretches of some megabytes."""
        return cut(self.spans.get(phase, {}).items())


def survey(connection: Connection, plan_id: str) -> Survey:
    """Look at all that is left of a plan."""
    limit_memory(connection, megabytes_for(0))
    planned: Counter[str] = Counter()
    spans: dict[Phase, Counter[int]] = {}
    widest, has_unsendable = 0, False
    (first,) = connection.execute(_SQL["first_position"], {"plan_id": plan_id}).fetchall()[0]
    for span, action, items, size, longest, has_empty in connection.execute(
        _SQL["survey_plan"], {"first": first, "span": SPAN}
    ).fetchall():
        planned[action] += items
        widest = max(widest, longest)
        if action in _PHASES:
            spans.setdefault(_PHASES[action], Counter())[span] += size
            has_unsendable = has_unsendable or has_empty or longest > MAX_OPERATION_BYTES
    return Survey(plan_id, first, planned, megabytes_for(widest), has_unsendable, spans)


@dataclass(frozen=True, slots=True)
class EventTurns:
    """The events that may go out now and the stretches that they lie in. SQL reads `turns` as `event_turns`."""

    turns: pa.Table
    stretches: list[Stretch]


def due_events(connection: Connection, plan: Survey, left_due: Collection[int]) -> EventTurns:
    """Look which events may be sent now: of each person those that are next, unless an earlier one was left due."""
    parameters = {"first": plan.first, "left_due": list(left_due), "most_bytes": MAX_BODY_BYTES // 2}
    turns = connection.sql(_SQL["event_turns"], params=parameters).to_arrow_table()
    connection.register("event_turns", turns)
    spans = connection.execute(_SQL["windows_events"], {"span": SPAN}).fetchall()
    connection.unregister("event_turns")
    return EventTurns(turns, cut(spans))


def cut(spans: Iterable[tuple[int, int]], stretch_bytes: int = STRETCH_BYTES) -> list[Stretch]:
    """Join spans, each with the bytes of its operations, to stretches of about `stretch_bytes`."""
    found: list[Stretch] = []
    for span, size in spans:
        last = found[-1] if found else None
        if last is not None and last.bytes + size <= stretch_bytes:
            found[-1] = Stretch(last.first, (span + 1) * SPAN, last.bytes + size)
        else:
            found.append(Stretch(span * SPAN, (span + 1) * SPAN, size))
    return found


def megabytes_for(widest: int) -> int:
    """Say what a plan needs whose widest operation has so many bytes: little for what is usual."""
    return _LEAST_MEGABYTES + min(widest, 32_000) * _ROWS_AT_ONCE * _VECTORS // 1_000_000


def limit_memory(connection: Connection, megabytes: int) -> None:
    """Set memory, threads and compression until the file is closed."""
    # SET takes no parameters; the number is ours.
    connection.execute(_SQL["settings_for_delivery"].format(megabytes=megabytes))
