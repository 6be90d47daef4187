"""Reading a stretch of the plan and packing it into calls."""

from array import array
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from stripe_cio_pipeline.deliver.packing import MAX_OPERATION_BYTES, Batch, pack
from stripe_cio_pipeline.deliver.survey import Phase, Stretch, Survey
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

_ROWS_AT_ONCE = 5 * 2_048
_READ = {Phase.PEOPLE: "read_people", Phase.REMOVALS: "read_removals", Phase.EVENTS: "read_events"}


def read_batches(
    connection: Connection, plan: Survey, phase: Phase, stretch: Stretch, turns: pa.Table | None = None
) -> Iterator[Batch]:
    """Read a stretch and pack it. Only changes of attributes are stamped: events carry the time of their own.

    Of events, `turns` says which may go out; all of one person's go out in one call.
    """
    parameters = {
        "first": stretch.first,
        "after_last": stretch.after_last,
        "max_bytes": MAX_OPERATION_BYTES,
    }
    if phase is Phase.EVENTS:
        # The events of one turn lie anywhere behind its first.
        parameters["begin"] = plan.first
        connection.register("event_turns", turns)
    rest: pa.RecordBatch | None = None
    for part in _arrow(connection, _SQL[_READ[phase]], parameters):
        rows = part if rest is None else pa.Table.from_batches([rest, part]).combine_chunks().to_batches()[0]
        packed = list(_pack(rows, phase))
        yield from packed[:-1]
        # The last batch has room for what comes next.
        rest = rows.slice(len(rows) - len(packed[-1]))
    if rest is not None:
        yield from _pack(rest, phase)


def _arrow(connection: Connection, query: str, parameters: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """Read rows as Arrow, so many at once that DuckDB's vectors fill them."""
    # DuckDB 2 warns unless Arrow is asked of `sql`, which in 1.5 takes twice as long as `execute`.
    is_first = duckdb.__version__.startswith("1.")
    result = connection.execute(query, parameters) if is_first else connection.sql(query, params=parameters)
    for part in result.to_arrow_reader(_ROWS_AT_ONCE):
        if len(part):
            yield part


def _pack(rows: pa.RecordBatch, phase: Phase) -> Iterator[Batch]:
    items = rows.column("item").cast(pa.string())
    _, ends, text = items.buffers()
    return pack(
        memoryview(text).cast("B"),
        memoryview(ends).cast("b").cast("i")[items.offset : items.offset + len(items) + 1],
        _numbers(rows.column("position")),
        stamped=phase is Phase.PEOPLE,
        turns=_numbers(rows.column("turn")) if phase is Phase.EVENTS else None,
    )


def _numbers(column: pa.Array) -> "array[int]":
    """Take numbers as they lie in memory: as Python objects they would cost more than the packing."""
    numbers = array("q")
    numbers.frombytes(memoryview(column.buffers()[1]).cast("b")[column.offset * 8 : (column.offset + len(column)) * 8])
    return numbers
