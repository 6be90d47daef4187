"""How much memory DuckDB may take during a delivery."""

from dataclasses import dataclass

from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

_LEAST_MEGABYTES = 120
#: DuckDB works on 2,048 rows at once, and an operation passes through about a dozen such vectors.
_ROWS_AT_ONCE = 2_048
_VECTORS = 12


@dataclass(frozen=True, slots=True)
class Needs:
    """What a plan needs: `megabytes` for DuckDB, and whether some operations are empty or too large to be sent."""

    megabytes: int
    has_unsendable: bool


def needs_of(connection: Connection, plan_id: str, max_bytes: int) -> Needs:
    """Measure a plan: little memory for what is usual, more where its widest operation is wide."""
    limit_memory(connection, _LEAST_MEGABYTES)
    parameters = {"plan_id": plan_id, "max_bytes": max_bytes}
    row = connection.execute(_SQL["widest_operation"], parameters).fetchone()
    widest, has_unsendable = (0, False) if row is None else (min(int(row[0]), 32_000), bool(row[1]))
    return Needs(_LEAST_MEGABYTES + widest * _ROWS_AT_ONCE * _VECTORS // 1_000_000, has_unsendable)


def limit_memory(connection: Connection, megabytes: int) -> None:
    """Set memory, threads and compression until the file is closed."""
    # SET takes no parameters; the number is ours.
    connection.execute(_SQL["settings_for_delivery"].format(megabytes=megabytes))
