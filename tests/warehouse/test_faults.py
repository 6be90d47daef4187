"""Which fault an error is: the words are those that DuckDB 1.5 and the system gave when each was brought about."""

import errno
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from stripe_cio_pipeline.errors import (
    WarehouseDamaged,
    WarehouseError,
    WarehouseFull,
    WarehouseMissing,
    WarehouseVersionError,
)
from stripe_cio_pipeline.warehouse import Turn, Warehouse, fault_of

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
    (OSError(errno.ENOMEM, "Cannot allocate memory"), WarehouseError, "not enough memory"),
    (RuntimeError("can't start new thread"), WarehouseError, "not enough memory"),
    (
        duckdb.InvalidInputException("ZSTD Decompression failed: Allocation error : not enough memory"),
        WarehouseError,
        "not enough memory",
    ),
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
    [
        ValueError("No space left on device"),
        RuntimeError("dictionary changed size during iteration"),
        duckdb.BinderException("no such column"),
        OSError(errno.ECONNRESET, "x"),
    ],
)
def test_everything_else_is_none(error: BaseException) -> None:
    assert fault_of(error, "/w/a.duckdb") is None


def test_a_step_that_needs_more_memory_than_there_is_says_so(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "a.duckdb", memory_limit="40MB")

    with (
        pytest.raises(WarehouseError, match="There is not enough memory for this step"),
        warehouse.transaction() as made,
    ):
        made.execute("create table pipeline.much as select list(i::varchar) as all from range(5_000_000) as r (i)")

    assert not made_there(warehouse, "much")


def test_a_folder_that_goes_away_meanwhile_is_told_and_not_made_anew(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "home" / "a.duckdb")
    with warehouse.connect():
        pass
    with pytest.raises(WarehouseMissing, match="was removed while this ran"), warehouse.transaction() as made:
        shutil.rmtree(tmp_path / "home")
        made.execute("create table pipeline.more (i integer)")

    for _ in range(2):
        with pytest.raises(WarehouseMissing, match="was there when this began, and is gone"), warehouse.connect():
            pass


@pytest.mark.parametrize("act", ["reading", "connect"])
def test_a_warehouse_of_a_newer_release_is_neither_read_nor_written(tmp_path: Path, act: str) -> None:
    with Warehouse(tmp_path / "a.duckdb").transaction() as connection:
        connection.execute("insert into pipeline.migrations values ('999_later', now()::timestamp)")

    with pytest.raises(WarehouseVersionError, match="999_later"), getattr(Warehouse(tmp_path / "a.duckdb"), act)():
        pass


@pytest.mark.parametrize("fault", [(errno.ENOSPC, WarehouseFull), (errno.EROFS, WarehouseError)])
def test_a_turn_that_cannot_be_noted_names_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: tuple[int, type[WarehouseError]]
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(fault[0], os.strerror(fault[0]))

    warehouse = Warehouse(tmp_path / "a.duckdb")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", refuse)
        with pytest.raises(fault[1], match=r"a\.duckdb (is full|stands on a disk that is read-only)"):
            Turn(warehouse, "test").take()

    Turn(warehouse, "test").take()  # nobody holds it


def made_there(warehouse: Warehouse, table: str) -> bool:
    with warehouse.reading() as connection:
        return bool(connection.execute("select 1 from duckdb_tables() where table_name = ?", [table]).fetchall())
