"""Named positions in the warehouse. A cursor moves in the same transaction as the rows that it stands for."""

from datetime import UTC, datetime

from stripe_cio_pipeline.warehouse.connection import Connection
from stripe_cio_pipeline.warehouse.rows import replace
from stripe_cio_pipeline.warehouse.statements import Statements

_SQL = Statements("stripe_cio_pipeline.warehouse.sql")


def read_cursor(connection: Connection, name: str) -> str | None:
    """Give a cursor's value, None where it was never set."""
    # All rows, of one: after `fetchone` DuckDB 2 takes the result for unfinished, and registers no table.
    rows = connection.execute(_SQL["read_cursor"], [name]).fetchall()
    return str(rows[0][0]) if rows else None


def read_cursors(connection: Connection) -> dict[str, str]:
    """Give all cursors by name: one statement, where somebody wants many."""
    return dict(connection.execute(_SQL["read_cursors"]).fetchall())


def write_cursor(connection: Connection, name: str, value: str, run_id: str | None = None) -> None:
    """Set a cursor inside the caller's transaction."""
    moved_at = datetime.now(UTC).replace(tzinfo=None)
    row = {"name": name, "value": value, "moved_at": moved_at, "run_id": run_id}
    replace(connection, "pipeline.cursors", ["name"], [row])


def delete_cursor(connection: Connection, name: str) -> None:
    """Take a cursor out inside the caller's transaction: it stands for nothing any more."""
    connection.execute(_SQL["delete_cursor"], [name])


def last_seq(connection: Connection) -> int:
    """Give the last transaction number that was taken, 0 before the first."""
    return int(read_cursor(connection, "seq") or 0)


def next_seq(connection: Connection) -> int:
    """Take the next transaction number: rows written now carry it, and readers ask for what came after theirs."""
    number = last_seq(connection) + 1
    write_cursor(connection, "seq", str(number))
    return number
