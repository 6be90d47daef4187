"""What is still due of a plan, read in chunks and packed into calls."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import duckdb
import pyarrow as pa

from stripe_cio_pipeline.deliver.packing import MAX_ITEM_BYTES, STAMP_BYTES, Batch, pack
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

#: Spans are counted first, so that a chunk is bounded by bytes whatever lies where in the plan.
SPAN = 1_024
CHUNK_BYTES = 8_000_000
_ROWS_AT_ONCE = 5 * 2_048
#: An operation's own text, so that with its timestamp it stays within Customer.io's 32,000 bytes.
MAX_OPERATION_BYTES = MAX_ITEM_BYTES - STAMP_BYTES


class Phase(StrEnum):
    """The order of a delivery. Each phase begins when the one before is answered and written down."""

    PEOPLE = "people"
    REMOVALS = "removals"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the plan: positions from `first` up to, and without, `after_last`."""

    first: int
    after_last: int
    items: int
    bytes: int


def chunks(connection: Connection, plan_id: str, phase: Phase, chunk_bytes: int = CHUNK_BYTES) -> list[Chunk]:
    """Cut what is due in a phase into stretches of about `chunk_bytes` of operations."""
    rows = connection.execute(_SQL[f"windows_{phase}"], {"plan_id": plan_id, "span": SPAN}).fetchall()
    found: list[Chunk] = []
    for span, items, size in rows:
        last = found[-1] if found else None
        if last is not None and last.bytes + size <= chunk_bytes:
            found[-1] = Chunk(last.first, (span + 1) * SPAN, last.items + items, last.bytes + size)
        else:
            found.append(Chunk(span * SPAN, (span + 1) * SPAN, items, size))
    return found


def read_batches(connection: Connection, plan_id: str, phase: Phase, chunk: Chunk) -> Iterator[Batch]:
    """Read a stretch and pack it. Only changes of attributes are stamped: events carry the time of their own."""
    parameters = {
        "plan_id": plan_id,
        "first": chunk.first,
        "after_last": chunk.after_last,
        "max_bytes": MAX_OPERATION_BYTES,
    }
    rest: pa.RecordBatch | None = None
    for part in _arrow(connection, _SQL[f"read_{phase}"], parameters):
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
        array("q", rows.column("position").to_pylist()),
        stamped=phase is Phase.PEOPLE,
    )
