"""What is still due of a plan, read in chunks and packed into calls."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import duckdb
import pyarrow as pa

from stripe_cio_pipeline.deliver.packing import MAX_ITEM_BYTES, STAMP_BYTES, Batch, pack
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

#: Spans are counted first, so that a chunk is bounded by bytes whatever lies where in the plan.
SPAN = 1_024
CHUNK_BYTES = 4_000_000
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
    query = _SQL[f"read_{phase}"]
    parameters = {
        "plan_id": plan_id,
        "first": chunk.first,
        "after_last": chunk.after_last,
        "max_bytes": MAX_OPERATION_BYTES,
    }
    # DuckDB 2 warns unless Arrow is asked of `sql`, which in 1.5 takes twice as long as `execute`.
    is_first = duckdb.__version__.startswith("1.")
    result = connection.execute(query, parameters) if is_first else connection.sql(query, params=parameters)
    table = result.to_arrow_table()
    for part in table.combine_chunks().to_batches():
        items = part.column("item").cast(pa.string())
        _, ends, text = items.buffers()
        if text is None or not len(items):
            continue
        offset = items.offset
        yield from pack(
            memoryview(text).cast("B"),
            memoryview(ends).cast("b").cast("i")[offset : offset + len(items) + 1],
            array("q", part.column("position").to_pylist()),
            stamped=phase is Phase.PEOPLE,
        )
