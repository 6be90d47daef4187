"""Writing the warehouse's file anew: what was deleted is then nowhere in it, not in freed blocks either."""

from contextlib import suppress
from pathlib import Path

import duckdb

from stripe_cio_pipeline.errors import WarehouseLocked
from stripe_cio_pipeline.warehouse.connection import STORAGE_VERSION, Warehouse
from stripe_cio_pipeline.warehouse.faults import fault_of
from stripe_cio_pipeline.warehouse.keeping import KEEPER


def rewrite(warehouse: Warehouse) -> None:
    """Copy everything that stands in the warehouse into a new file, and put that in the place of the old one.

    DuckDB frees the blocks of what is deleted and leaves their bytes. It takes as long as reading and writing the file,
    and as much room again while it runs. Nobody writes meanwhile: the old file stays locked until the new one is in its
    place, and whoever waited opens that. Raises WarehouseLocked, WarehouseFull, and what opening raises.
    """
    place, new = Path(warehouse.location), Path(f"{warehouse.location}.new")
    new.unlink(missing_ok=True)
    connection = duckdb.connect()
    try:
        with KEEPER.apart(warehouse.place):
            _hold(warehouse, connection)
        connection.execute(f"attach {_literal(new)} as new (storage_version '{STORAGE_VERSION}')")
        new.chmod(place.stat().st_mode & 0o777)
        connection.execute("copy from database old to new")
        connection.execute("detach new")
        new.replace(place)
    except (duckdb.Error, OSError) as error:
        raise fault_of(error, warehouse.location) or error from None
    finally:
        connection.close()
        new.unlink(missing_ok=True)


def _hold(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Attach the warehouse as `old`, to be read while nobody can write, and with nothing left to replay beside it."""
    for _ in warehouse.attempts():
        # Takes in what an interrupted run left beside it, and says so where the disk has no room for that.
        with warehouse.connect() as writing, suppress(duckdb.TransactionException):
            writing.execute("checkpoint")
        with suppress(duckdb.IOException):
            connection.execute(f"attach {_literal(Path(warehouse.location))} as old (read_only)")
            if not Path(f"{warehouse.location}.wal").exists():
                return
            connection.execute("detach old")
    raise WarehouseLocked(
        f"The warehouse {warehouse.location} was not free within {warehouse.wait_seconds:.0f} s.",
        "Wait until others at work in it have finished, and run this again.",
    )


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
