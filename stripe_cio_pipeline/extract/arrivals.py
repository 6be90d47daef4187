"""Rows on their way into the warehouse: SQL sees them as `arrivals`, a few megabytes at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: Rows, and characters of payload, that are handed over at once: until they are written they are in memory twice.
_MOST_ROWS = 4_096
_MOST_CHARACTERS = 8_000_000
#: Payloads of so many characters on average are wide. DuckDB works on 2,048 rows at once and needs a few times their
#: size: within settings_for_bulk's limit, 10,000 characters were written and 30,000 were not.
_WIDE = 8_000

_TYPES: Mapping[str, Any] = {
    "created": pa.int64(),
    "as_of": pa.int64(),
    "seq": pa.int64(),
    "read_at": pa.timestamp("us"),
    "livemode": pa.bool_(),
    "deleted": pa.bool_(),
    "usable": pa.bool_(),
}
#: Marked as JSON, DuckDB takes a payload as it is; as text, it would parse it once more.
_MARKS: Mapping[str, Any] = {"payload": {"ARROW:extension:name": "arrow.json", "ARROW:extension:metadata": ""}}


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]], same: Mapping[str, Any]) -> pa.Table:
    """Make a table of rows whose values are in the order of `names`; `same` has what all rows share."""
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns |= {name: [value] * len(rows) for name, value in same.items()}
    fields = [pa.field(name, _TYPES.get(name, pa.string()), metadata=_MARKS.get(name)) for name in columns]
    arrays = [pa.array(values, field.type) for field, values in zip(fields, columns.values(), strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def table_of_ids(ids: Iterable[str]) -> pa.Table:
    """Make a table of ids alone."""
    return pa.table({"id": pa.array(list(ids), pa.string())})


def execute_with(
    connection: Connection, arrivals: pa.Table, statement: str, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Run a statement that reads `arrivals`, and give what it finds."""
    connection.register("arrivals", arrivals)
    try:
        return connection.execute(statement, list(parameters) or None).fetchall()
    finally:
        connection.unregister("arrivals")


def insert(
    connection: Connection,
    statement: str,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    same: Mapping[str, Any],
) -> None:
    """Insert rows that have a payload, in portions; `names`, `rows` and `same` are those of `table_of`."""
    for portion, characters in _portions(rows, names.index("payload")):
        if characters > _WIDE * len(portion):
            connection.execute(_SQL["settings_for_wide_rows"])
        execute_with(connection, table_of(names, portion, same), statement)


def _portions(rows: Sequence[Sequence[Any]], payload: int) -> Iterator[tuple[Sequence[Sequence[Any]], int]]:
    """Cut rows into portions, each with its number of characters."""
    start = characters = 0
    for place, row in enumerate(rows):
        width = len(row[payload])
        if place - start == _MOST_ROWS or (place > start and characters + width > _MOST_CHARACTERS):
            yield rows[start:place], characters
            start, characters = place, 0
        characters += width
    if start < len(rows):
        yield rows[start:], characters
