"""Which fault an error is: the words are those that DuckDB 1.5 and the system gave when each was brought about."""

import errno

import duckdb
import pytest

from stripe_cio_pipeline.errors import WarehouseDamaged, WarehouseError, WarehouseFull
from stripe_cio_pipeline.warehouse import fault_of

IO = duckdb.IOException
FAULTS = [
    (IO('IO Error: Could not write file "/w/a.duckdb": No space left on device'), WarehouseFull, "is full"),
    (IO('IO Error: Could not write file "/w/a.duckdb": Disk quota exceeded'), WarehouseFull, "quota"),
    (duckdb.TransactionException("Failed to commit: Could not write file: File too large"), WarehouseFull, "is full"),
    (OSError(errno.ENOSPC, "No space left on device"), WarehouseFull, "is full"),
    (IO('IO Error: Cannot open file "/w/a.duckdb": Read-only file system'), WarehouseError, "read-only"),
    (OSError(errno.EROFS, "Read-only file system"), WarehouseError, "read-only"),
    (IO('IO Error: Could not read file "/w/a.duckdb": Input/output error'), WarehouseError, "gives errors"),
    (IO("Corrupt database file: computed checksum 1 does not match stored checksum 2"), WarehouseDamaged, "damaged"),
    (IO('Could not read enough bytes from file "/w/a.duckdb": attempted to read 9'), WarehouseDamaged, "damaged"),
    (duckdb.SerializationException("Failed to deserialize: field id mismatch"), WarehouseDamaged, "damaged"),
    (duckdb.OutOfMemoryException("failed to allocate data of size 16.0 MiB"), WarehouseError, "not enough memory"),
    (MemoryError(), WarehouseError, "not enough memory"),
]


@pytest.mark.parametrize(("error", "kind", "words"), FAULTS, ids=lambda value: str(value)[:30])
def test_a_fault_says_what_happened_what_is_safe_and_what_to_do(
    error: BaseException, kind: type[WarehouseError], words: str
) -> None:
    fault = fault_of(error, "/w/a.duckdb")

    assert type(fault) is kind
    assert words in fault.what
    assert "/w/a.duckdb" in fault.what
    assert fault.advice
    assert fault.exit_code == 1


@pytest.mark.parametrize(
    "error",
    [ValueError("No space left on device"), duckdb.BinderException("no such column"), OSError(errno.ECONNRESET, "x")],
)
def test_everything_else_is_none(error: BaseException) -> None:
    assert fault_of(error, "/w/a.duckdb") is None
