"""Statements about tables whose names are data: the names of model files, and columns that a user's SQL made.

DuckDB takes no parameters for names, so these few statements are pasted. Every name goes through `quoted`.
"""

from collections.abc import Iterable

import pyarrow as pa

from stripe_cio_pipeline.model.report import Column
from stripe_cio_pipeline.warehouse import Connection


def quoted(name: str) -> str:
    """Give a name as SQL, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def count(connection: Connection, table: str) -> int:
    """Count rows. `table` is SQL."""
    row = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def columns_of(connection: Connection, query: str) -> tuple[Column, ...]:
    """Give names and types of a query's columns. Binds the query and does not run it."""
    return tuple(Column(name, kind) for name, kind, *_ in connection.execute(f"describe\n{query}").fetchall())


def columns_of_table(connection: Connection, schema: str, name: str) -> tuple[Column, ...]:
    """Give names and types of a table's columns, none where there is no such table."""
    # DuckDB tells the columns of all tables ten times as slowly as those of one.
    known = "duckdb_tables() where schema_name = ? and table_name = ?"
    if connection.execute(f"select count(*) from {known}", [schema, name]).fetchall() == [(0,)]:  # noqa: S608
        return ()
    return columns_of(connection, f"from {quoted(schema)}.{quoted(name)}")


def memory_limit(connection: Connection) -> int:
    """Give DuckDB's memory limit in bytes. DuckDB tells it as text such as `286.1 MiB`."""
    row = connection.execute("select current_setting('memory_limit')").fetchone()
    amount, unit = str(row[0] if row else "1.0 GiB").split()
    return int(float(amount) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))


def create(connection: Connection, table: str, query: str) -> None:
    """Fill a table anew. The query begins on a line of its own, so that errors can be found in its file."""
    kind = "temp table" if "." not in table else "table"
    connection.execute(f"create or replace {kind} {table} as\n{query}")


def take(connection: Connection, name: str, content: pa.Table) -> None:
    """Make a temporary table of data."""
    connection.register("data of a seed", content)
    try:
        connection.execute(f'create or replace temp table {quoted(name)} as from "data of a seed"')
    finally:
        connection.unregister("data of a seed")


def show(connection: Connection, name: str, query: str) -> None:
    """Give a query a name that others can read. Binds it, and runs it where it is read."""
    connection.execute(f"create or replace temp view {name} as\n{query}")


def insert(connection: Connection, table: str, query: str) -> None:
    """Add a query's rows to a table."""
    connection.execute(f"insert into {table}\n{query}")


def changed_rows(connection: Connection, statement: str) -> int:
    """Run an insert, update or delete and count the rows that it changed."""
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def delete_where(connection: Connection, table: str, column: str, values: str, owner: str = "null::varchar") -> None:
    """Delete the rows whose column is among the values of a query, and leave `deleted` with whose they were.

    Found first and deleted by number: `delete ... returning` would read every column of every row.
    """
    connection.execute(
        f"create or replace temp table deleted as select rowid as number, {owner} as customer_id "  # noqa: S608
        f"from {table} where {quoted(column)} in ({values})"
    )
    connection.execute(f"delete from {table} where rowid in (select number from deleted)")  # noqa: S608


def part_where(connection: Connection, kind: str, name: str, condition: str) -> None:
    """Put a part of a typed table before the full one, as a `table` or a `view`."""
    connection.execute(
        f"create or replace temp {kind} {name} as select * from model.{name} where {condition}"  # noqa: S608
    )


def changed_ids(raw: str) -> str:
    """Give the query for the ids of the raw objects of one table that changed. `raw` is one of `files.RAW`."""
    return f"select id from changed where object = '{raw}'"  # noqa: S608


def show_newer(connection: Connection, name: str, mark: int) -> None:
    """Put the raw rows that came after a mark before all rows of `stripe`."""
    connection.execute(
        f"create or replace temp view {name} as select * from stripe.{name} where seq > {mark:d}"  # noqa: S608
    )


def hide(connection: Connection, kind: str, names: Iterable[str]) -> None:
    """Drop temporary tables or views, so that the full ones are seen again."""
    for name in names:
        connection.execute(f"drop {kind} if exists temp.{name}")
