"""Replacing rows: delete and insert, which DuckDB does far faster than an update, and needs no keys for."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from stripe_cio_pipeline.warehouse.connection import Connection


def replace(
    connection: Connection, table: str, key: Sequence[str], rows: Sequence[Mapping[str, Any]] | pa.Table
) -> None:
    """Put rows in the place of those that have the same key, inside the caller's transaction.

    A few rows are given as mappings, many as an Arrow table: handing one over takes a few milliseconds, whatever its
    size. `table` and the names of columns are ours, never input. `key` names the columns that say which rows give way;
    none of them may be null. All rows have the same columns; what the table has beside these becomes null.
    """
    if not len(rows):
        return
    if isinstance(rows, pa.Table):
        _replace_by_table(connection, table, key, rows)
        return
    columns = list(rows[0])
    keys = [row[column] for row in rows for column in key]
    values = [row[column] for row in rows for column in columns]
    connection.execute(
        f"delete from {table} where ({', '.join(key)}) in ({_marks(len(key), len(rows))})",  # noqa: S608
        keys,
    )
    connection.execute(
        f"insert into {table} ({', '.join(columns)}) values {_marks(len(columns), len(rows))}",  # noqa: S608
        values,
    )


def _replace_by_table(connection: Connection, table: str, key: Sequence[str], rows: pa.Table) -> None:
    columns = ", ".join(key)
    connection.register("arrivals", rows)
    try:
        connection.execute(f"delete from {table} where ({columns}) in (select ({columns}) from arrivals)")  # noqa: S608
        connection.execute(f"insert into {table} by name select * from arrivals")  # noqa: S608
    finally:
        connection.unregister("arrivals")


def _marks(columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)
