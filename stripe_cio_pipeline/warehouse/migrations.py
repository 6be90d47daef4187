"""The warehouse's schema, step by step: each `schema/NNN_name.sql` and its record are one transaction."""

from datetime import UTC, datetime
from importlib.resources import files

import duckdb

from stripe_cio_pipeline.errors import WarehouseVersionError
from stripe_cio_pipeline.warehouse.statements import Statements, read_script

_SQL = Statements("stripe_cio_pipeline.warehouse.sql")
_STEPS = "stripe_cio_pipeline.warehouse.schema"


def steps() -> list[str]:
    """Name all steps, in their order."""
    folder = files("stripe_cio_pipeline.warehouse").joinpath("schema")
    return sorted(file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql"))


def applied(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Name the steps that this warehouse has seen. Only reads."""
    known = connection.execute(_SQL["has_migrations"]).fetchone()
    if known is None or not known[0]:
        return []
    return [str(name) for (name,) in connection.execute(_SQL["applied_migrations"]).fetchall()]


def is_behind(seen: list[str]) -> bool:
    """Whether steps are those of a warehouse of ours that has not seen all of them."""
    return bool(seen) and not set(steps()) <= set(seen)


def refuse_newer(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Name the steps that this warehouse has seen. Raises WarehouseVersionError where one of them is not known."""
    seen = applied(connection)
    unknown = sorted(set(seen) - set(steps()))
    if unknown and not set(steps()) <= set(seen):
        # A newer release has all of our steps and more.
        raise WarehouseVersionError(
            f"The warehouse was written by a version that was never released (it has step {unknown[-1]}), and no "
            "release continues from there.",
            "Move the file away, or set STRIPE_CIO_WAREHOUSE to another: the next sync reads all of Stripe again, and "
            "asks before it sends. What Customer.io has stays there.",
        )
    if unknown:
        raise WarehouseVersionError(
            f"The warehouse was written by a newer release of stripe-cio-pipeline (it has step {unknown[-1]}).",
            "Install that release, or restore a backup from before the upgrade.",
        )
    return seen


def migrate(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Bring the schema up to date and name the steps that were taken.

    Raises WarehouseVersionError where the warehouse has seen a step that this release does not know.
    """
    seen = refuse_newer(connection)
    missing = [step for step in steps() if step not in seen]
    if missing and not seen:
        connection.execute(_SQL["create_migrations"])
    for step in missing:
        connection.begin()
        try:
            connection.execute(read_script(_STEPS, step))
            connection.execute(_SQL["insert_migration"], [step, datetime.now(UTC).replace(tzinfo=None)])
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
    return missing
