"""How much memory DuckDB may take during a delivery."""

from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

_LEAST_MEGABYTES = 150
#: DuckDB works on 2,048 rows at once, and an operation passes through about a dozen such vectors.
_ROWS_AT_ONCE = 2_048
_VECTORS = 12


def megabytes_for(widest: int) -> int:
    """Say what a plan needs whose widest operation has so many bytes: little for what is usual."""
    return _LEAST_MEGABYTES + min(widest, 32_000) * _ROWS_AT_ONCE * _VECTORS // 1_000_000


def limit_memory(connection: Connection, megabytes: int) -> None:
    """Set memory, threads and compression until the file is closed."""
    # SET takes no parameters; the number is ours.
    connection.execute(_SQL["settings_for_delivery"].format(megabytes=megabytes))
