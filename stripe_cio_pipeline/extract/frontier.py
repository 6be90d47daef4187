"""What is still to be listed, kept in the warehouse: slices, and how far each object type's history is."""

from dataclasses import asdict, dataclass
from typing import Literal

import orjson

from stripe_cio_pipeline.extract.slices import Slice
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: An open end of a slice, in a column that is never null.
_OPEN_FROM = -(2**63)
_OPEN_BEFORE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class HistoryMark:
    """How far the history of an object type is.

    `began` is when it was last listed from the start, in Stripe's clock: every change since then is in the events.
    `pages` and `rows` count what was stored, over all runs.
    """

    state: Literal["listing", "finished"]
    began: int
    pages: int = 0
    rows: int = 0


def load_slices(connection: Connection, name: str) -> tuple[Slice, ...]:
    """Give the slices that are still to be read, newest first; none where nothing was begun or all is done."""
    rows = connection.execute(_SQL["slices_of"], [name]).fetchall()
    return tuple(
        Slice(None if low == _OPEN_FROM else low, None if before == _OPEN_BEFORE else before, after)
        for low, before, after in rows
    )


def save_slices(connection: Connection, name: str, slices: tuple[Slice, ...], run_id: str) -> None:
    """Replace the slices that are still to be read, in the transaction that stores their pages."""
    connection.execute(_SQL["delete_slices"], [name])
    if not slices:
        return
    # One statement for all: this thread waits for the reading one at each.
    connection.execute(
        _SQL["insert_slices"],
        {
            "object": name,
            "created_from": [_OPEN_FROM if piece.created_from is None else piece.created_from for piece in slices],
            "created_before": [
                _OPEN_BEFORE if piece.created_before is None else piece.created_before for piece in slices
            ],
            "starting_after": [piece.after for piece in slices],
            "run_id": run_id,
        },
    )


def read_mark(connection: Connection, name: str) -> HistoryMark | None:
    """Give the state of an object type's history; None where it was never begun."""
    value = read_cursor(connection, f"history.{name}")
    return None if value is None else HistoryMark(**orjson.loads(value))


def write_mark(connection: Connection, name: str, mark: HistoryMark, run_id: str) -> None:
    """Set the state of an object type's history."""
    write_cursor(connection, f"history.{name}", orjson.dumps(asdict(mark)).decode(), run_id)
