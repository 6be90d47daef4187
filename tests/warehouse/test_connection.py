"""The warehouse opens late, closes early, and says who is in the way."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from stripe_cio_pipeline.errors import (
    SettingsError,
    WarehouseError,
    WarehouseLocked,
    WarehouseMissing,
    WarehouseVersionError,
)
from stripe_cio_pipeline.warehouse import Warehouse, next_seq, read_cursor, write_cursor
from stripe_cio_pipeline.warehouse.connection import transaction
from stripe_cio_pipeline.warehouse.migrations import applied, migrate, steps

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_transaction_keeps_everything_or_nothing(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        write_cursor(connection, "events", "1700000000")
    with pytest.raises(RuntimeError, match="midway"), warehouse.transaction() as connection:
        write_cursor(connection, "events", "1800000000")
        raise RuntimeError("midway")
    with warehouse.reading() as connection:
        assert read_cursor(connection, "events") == "1700000000"


def test_a_cursor_that_was_never_set_is_none(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        assert read_cursor(connection, "events") is None


def test_every_transaction_takes_a_higher_number(warehouse: Warehouse) -> None:
    numbers = []
    for _ in range(3):
        with warehouse.transaction() as connection:
            numbers.append(next_seq(connection))
    assert numbers == [1, 2, 3]


def test_a_number_that_was_rolled_back_is_taken_again(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError), warehouse.transaction() as connection:
        next_seq(connection)
        raise RuntimeError
    with warehouse.transaction() as connection:
        assert next_seq(connection) == 1


def test_reading_before_the_first_sync_says_what_to_do(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseMissing, match="stripe-cio sync"), warehouse.reading():
        pass
    assert not Path(warehouse.location).exists()


def test_a_held_warehouse_is_waited_for_and_then_the_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with Warehouse(path).transaction():
        pass
    waits: list[float] = []
    moment = 0.0

    def sleep(seconds: float) -> None:
        nonlocal moment
        waits.append(seconds)
        moment += seconds

    held = Warehouse(path, lock_wait_seconds=3, sleep=sleep, clock=lambda: moment)
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WarehouseLocked, match=f"process {holder.pid} "), held.transaction():
            pass
        with pytest.raises(WarehouseLocked, match=f"process {holder.pid} "), held.reading():
            pass
        holder.communicate("")
    assert sum(waits) >= 3
    with held.transaction() as connection:
        assert next_seq(connection) == 1


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    with Warehouse(path, lock_wait_seconds=0).transaction() as connection:
        assert next_seq(connection) == 1


def test_a_reader_beside_a_writer_in_one_process_waits_for_it(warehouse: Warehouse) -> None:
    impatient = Warehouse(warehouse.location, lock_wait_seconds=0)
    with (
        warehouse.transaction(),
        pytest.raises(WarehouseLocked, match="another connection"),
        impatient.reading(),
    ):
        pass
    with impatient.reading() as connection:
        assert read_cursor(connection, "seq") is None


def test_the_file_is_free_after_an_exception(warehouse: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), warehouse.transaction():
        _ = 1 / 0
    check = "import duckdb, sys; duckdb.connect(sys.argv[1])"
    subprocess.run([sys.executable, "-c", check, warehouse.location], check=True)


def test_where_nothing_is_left_to_roll_back_the_first_error_is_told(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="the first"), warehouse.connect() as connection, transaction(connection):
        connection.close()
        raise ValueError("the first")


def test_a_file_that_is_no_database_is_told_from_a_locked_one(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_text("not a database " * 1000)
    with pytest.raises(WarehouseError, match="is not a DuckDB database"), Warehouse(path).connect():
        pass


def test_a_half_written_file_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with Warehouse(path).transaction() as connection:
        connection.execute("create table t as select range as i from range(100000)")
    content = path.read_bytes()
    path.write_bytes(content[:10_000])
    with pytest.raises(WarehouseError, match="is damaged or not whole"), Warehouse(path).transaction() as connection:
        connection.execute("select sum(i) from t").fetchall()


def test_a_folder_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(WarehouseError, match="cannot be made"),
        Warehouse(tmp_path / "file" / "w.duckdb").connect(),
    ):
        pass


def test_the_schema_is_made_once_and_every_step_is_recorded(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        assert applied(connection) == steps()
        assert migrate(connection) == []


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table `stripe.customers` is in the way of the first step, which therefore is not recorded."""
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create schema stripe; create table stripe.invoices (id varchar)")
        with pytest.raises(duckdb.Error):
            migrate(connection)
        assert applied(connection) == []
        tables = connection.execute("select table_name from information_schema.tables where table_schema = 'stripe'")
        assert tables.fetchall() == [("invoices",)]


def test_a_warehouse_of_a_newer_release_is_refused_unchanged(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        connection.execute("insert into pipeline.migrations values ('999_from_the_future', now()::timestamp)")
    with (
        pytest.raises(WarehouseVersionError, match="999_from_the_future"),
        Warehouse(warehouse.location).transaction(),
    ):
        pass


@pytest.mark.parametrize(
    "location", ["md:warehouse?motherduck_token=secret", "ducklake:postgres:dbname=secret", "s3://bucket/secret.duckdb"]
)
def test_what_cannot_be_guarded_is_refused_and_not_shown(location: str) -> None:
    with pytest.raises(SettingsError, match="connection string") as refused:
        Warehouse(location)
    assert refused.value.exit_code == 2
    assert "secret" not in str(refused.value)


def test_a_colon_in_a_path_is_no_connection_string(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "at:home.duckdb").transaction() as connection:
        assert next_seq(connection) == 1


def test_a_name_that_a_schema_has_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.connect() as connection:
        rows = connection.execute("select distinct schema_name from information_schema.schemata").fetchall()
    # DuckDB itself keeps these apart from a catalog of the same name.
    schemas = {name for (name,) in rows} - {"main", "pg_catalog"} | {"Stripe"}
    assert schemas >= {"stripe", "model", "customerio", "pipeline", "information_schema"}
    for name in schemas:
        with pytest.raises(SettingsError, match=f"cannot be called {name}"):
            Warehouse(tmp_path / f"{name}.duckdb")
    for name in ("main", "temp", "system", "pg_catalog", "stripe_warehouse"):
        with Warehouse(tmp_path / f"{name}.duckdb").transaction() as connection:
            assert next_seq(connection) == 1


def test_every_step_of_the_schema_has_a_number_of_its_own() -> None:
    numbers = [step.split("_")[0] for step in steps()]
    assert len(set(numbers)) == len(numbers)
    assert all(len(number) == 3 and number.isdigit() for number in numbers), "their order is that of their names"


def test_nothing_is_searched_for_on_the_disk_at_a_parameter(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    class Watcher:
        def find_spec(self, name: str, *_: object) -> None:
            searched.append(name)

    with warehouse.connect() as connection:
        ask = "select ?, ?"
        asked = ["text", datetime.now(UTC)]
        connection.execute(ask, asked).fetchall()
        monkeypatch.setattr(sys, "meta_path", [Watcher(), *sys.meta_path])
        connection.execute(ask, asked).fetchall()
    assert searched == []


def test_whoever_looks_first_after_an_upgrade_sees_the_new_schema(warehouse: Warehouse) -> None:
    """A look for changes comes before any sync, and a sync may never come where the look fails."""
    with warehouse.connect() as connection:
        connection.execute("drop table pipeline.unread")
        connection.execute("delete from pipeline.migrations where name = '061_unread'")
    with Warehouse(warehouse.location).reading() as connection:
        assert connection.execute("select count(*) from pipeline.unread").fetchall() == [(0,)]
