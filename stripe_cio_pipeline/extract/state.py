"""What the warehouse knows when a run begins, read in one go."""

from dataclasses import dataclass

from stripe_cio_pipeline.extract.binding import read_bindings
from stripe_cio_pipeline.extract.feed import LOST_BEFORE, WATERMARK
from stripe_cio_pipeline.extract.frontier import HistoryMark, load_slices, read_mark
from stripe_cio_pipeline.extract.meter import ReadBudget, read_budget
from stripe_cio_pipeline.extract.objects import OBJECTS
from stripe_cio_pipeline.extract.slices import Slice
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")


@dataclass(frozen=True, slots=True)
class State:
    """Bindings, marks and what is left to do. `waiting` counts signalled objects by type."""

    bindings: dict[str, str]
    marks: dict[str, HistoryMark]
    slices: dict[str, tuple[Slice, ...]]
    watermark: int | None
    lost_before: int | None
    waiting: dict[str, int]
    budget: ReadBudget

    def unfinished(self, name: str) -> bool:
        """Whether an object type's history is still to be listed."""
        mark = self.marks.get(name)
        return mark is None or mark.state != "finished"

    def outdated(self, name: str) -> bool:
        """Whether changes of an object type may be lost to a gap in the events, so that it must be listed again."""
        mark = self.marks.get(name)
        return mark is not None and self.lost_before is not None and mark.began < self.lost_before


def read_state(connection: Connection, policy: Policy) -> State:
    """Read everything that decides what a run has to do."""
    marks = {kind.name: read_mark(connection, kind.name) for kind in OBJECTS}
    unfinished = [name for name, mark in marks.items() if mark and mark.state != "finished"]
    watermark, lost_before = read_cursor(connection, WATERMARK), read_cursor(connection, LOST_BEFORE)
    return State(
        bindings=read_bindings(connection),
        marks={name: mark for name, mark in marks.items() if mark is not None},
        slices={name: load_slices(connection, name) for name in unfinished},
        watermark=int(watermark) if watermark else None,
        lost_before=int(lost_before) if lost_before else None,
        waiting=dict(connection.execute(_SQL["signals_waiting"]).fetchall()),
        budget=read_budget(connection, policy),
    )
