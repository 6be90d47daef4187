"""What the warehouse knows when a run begins, read in one go."""

from dataclasses import dataclass

from stripe_cio_pipeline.extract.binding import read_bindings
from stripe_cio_pipeline.extract.feed import GAP, WALK, WATERMARK
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
    walk: int | None
    gap: bool
    waiting: dict[str, int]
    budget: ReadBudget

    def unfinished(self, name: str) -> bool:
        """Whether an object type's history is still to be listed."""
        mark = self.marks.get(name)
        return mark is None or mark.state != "finished"


def read_state(connection: Connection, policy: Policy) -> State:
    """Read everything that decides what a run has to do."""
    marks = {kind.name: read_mark(connection, kind.name) for kind in OBJECTS}
    names = [*(name for name, mark in marks.items() if mark and mark.state != "finished"), "events"]
    watermark, walk = read_cursor(connection, WATERMARK), read_cursor(connection, WALK)
    return State(
        bindings=read_bindings(connection),
        marks={name: mark for name, mark in marks.items() if mark is not None},
        slices={name: load_slices(connection, name) for name in names},
        watermark=int(watermark) if watermark else None,
        walk=int(walk) if walk else None,
        gap=bool(read_cursor(connection, GAP)),
        waiting=dict(connection.execute(_SQL["signals_waiting"]).fetchall()),
        budget=read_budget(connection, policy),
    )
