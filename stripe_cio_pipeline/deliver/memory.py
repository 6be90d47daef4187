"""How much memory DuckDB may take during a delivery."""

from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

_LEAST_MEGABYTES = 120
#: DuckDB works on 2,048 rows at once, and an operation passes through about a dozen such vectors.
_ROWS_AT_ONCE = 2_048
_VECTORS = 12


def megabytes_for(connection: Connection, plan_id: str) -> int:
    """Give what a plan needs: little for what is usual, more where its widest operation is wide."""
    limit_memory(connection, _LEAST_MEGABYTES)
    row = connection.execute(_SQL["widest_operation"], [plan_id]).fetchone()
    widest = min(int(row[0]), 32_000) if row is not None else 0
    return _LEAST_MEGABYTES + widest * _ROWS_AT_ONCE * _VECTORS // 1_000_000


def limit_memory(connection: Connection, megabytes: int) -> None:
    """Set memory, threads and compression until the file is closed."""
    # SET takes no parameters; the number is ours.
    connection.execute(_SQL["settings_for_delivery"].format(megabytes=megabytes))
