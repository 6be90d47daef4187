"""Faults of the machine under the warehouse, told as what they are: what happened, what is safe, what to do.

DuckDB tells them by the words of the system (`No space left on device`) within its own (`Failed to commit: ...`), and
damage by words of its own. Whatever was committed before is safe in each case: a transaction is whole or is not there.
"""

import errno
import os

import duckdb

from stripe_cio_pipeline.errors import (
    MORE_MEMORY,
    NO_MEMORY,
    WarehouseDamaged,
    WarehouseError,
    WarehouseFull,
    WarehouseMissing,
)

_SAFE = "What was committed before is safe, and nothing half-written counts."
#: What to do without the file.
LOST = (
    "What Customer.io has is as it was. Restore the file from a backup, with its .wal if there is one. Without a "
    "backup the next sync reads all of Stripe again, knows nobody, and asks before it sends."
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DAMAGED = (
    "Corrupt database file",
    "Could not read enough bytes",
    "not a valid DuckDB database file",
    "Failed to deserialize",
    "checksum",
)


def fault_of(error: BaseException, location: str) -> WarehouseError | None:
    """Tell an error as the fault of the machine that it is; None where it is none. `location` is the warehouse's."""
    words = str(error)
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException) or (
        isinstance(error, duckdb.Error | OSError | RuntimeError) and any(sign in words for sign in NO_MEMORY)
    ):
        return WarehouseError(
            f"There is not enough memory for this step with the warehouse {location}.",
            f"{_SAFE} {MORE_MEMORY}",
        )
    if not isinstance(error, duckdb.Error | OSError):
        return None
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or any(os.strerror(code) in words for code in _FULL):
        return WarehouseFull(
            f"The disk of the warehouse {location} is full, or its quota is used up.",
            f"{_SAFE} Make room and run this again: it goes on where it stopped.",
        )
    if number == errno.EROFS or os.strerror(errno.EROFS) in words:
        return WarehouseError(
            f"The warehouse {location} stands on a disk that is read-only.",
            f"{_SAFE} Mount it for writing (a disk with errors is often mounted so), or move the warehouse with "
            "STRIPE_CIO_WAREHOUSE.",
        )
    if number == errno.EIO or os.strerror(errno.EIO) in words:
        return WarehouseError(
            f"The disk of the warehouse {location} gives errors.",
            f"{_SAFE} Copy the file to another disk, and set STRIPE_CIO_WAREHOUSE to it.",
        )
    if isinstance(error, duckdb.Error) and any(sign in words for sign in _DAMAGED):
        return WarehouseDamaged(
            f"The warehouse file {location} is damaged or not whole.",
            f"{LOST} Move what is left of it away before that.",
        )
    if isinstance(error, duckdb.Error) and os.strerror(errno.ENOENT) in words:
        return WarehouseMissing(f"The warehouse {location}, or its folder, was removed while this ran.", LOST)
    return None
