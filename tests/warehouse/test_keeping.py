"""A file that is kept open behaves as one that is opened anew for each piece of work, and keeps nobody out for long."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

import stripe_cio_pipeline
from stripe_cio_pipeline.errors import WarehouseMissing
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import KEEPER, Connection, Warehouse, rewrite

pytestmark = pytest.mark.file_is_shared

#: Everything that our SQL sets for more than its own connection and that can be taken back.
SCRIPTS = ("extract/sql/rows.sql", "deliver/sql/sending.sql", "plan/sql/operations.sql")
SHOWN = "select name, value from duckdb_settings()"
#: Another process, which gets in and says so.
READS = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute('from main.noted')"


@pytest.fixture
def noted(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A warehouse with a table of ours, kept open longer than a test takes."""
    with warehouse.transaction() as connection:
        connection.execute("create table main.noted as select 1 as number")
    monkeypatch.setattr(KEEPER, "idle_seconds", 60.0)
    monkeypatch.setattr(KEEPER, "longest_seconds", 60.0)
    with KEEPER.keeping():
        yield warehouse


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How files were opened, from now on."""
    opened: list[str] = []
    real = Warehouse._open_file

    def open_file(self: Warehouse, read_only: bool) -> Connection:
        connection = real(self, read_only)
        opened.append("read" if read_only else "write")
        return connection

    monkeypatch.setattr(Warehouse, "_open_file", open_file)
    return opened


def numbers(warehouse: Warehouse) -> list[int]:
    with warehouse.reading() as connection:
        return [number for (number,) in connection.execute("select number from main.noted order by all").fetchall()]


def add(warehouse: Warehouse, number: int) -> None:
    with warehouse.transaction() as connection:
        connection.execute("insert into main.noted values (?)", [number])


def shown(connection: Connection) -> dict[str, str]:
    found = dict(connection.execute(SHOWN).fetchall())
    # Shown in a rounded form, and set again in it: 18.8 GiB become 18.7.
    return {**found, **{name: str(round(float(found[name].split()[0]))) for name in ("memory_limit", "max_memory")}}


def script(name: str) -> str:
    text = (Path(stripe_cio_pipeline.__file__).parent / name).read_text().replace("{megabytes}", "100")
    return ";".join(match[0] for match in re.finditer(r"^set \w+ = ('.*'|\d+|true|\[.*\])", text, re.MULTILINE))


def is_open_elsewhere(warehouse: Warehouse) -> bool:
    """Whether another process is kept out."""
    reads = [sys.executable, "-c", READS, warehouse.location]
    return subprocess.run(reads, capture_output=True, check=False).returncode != 0


def test_pieces_of_work_that_follow_each_other_open_the_file_once(noted: Warehouse, openings: list[str]) -> None:
    for number in (2, 3):
        add(noted, number)
        assert numbers(Warehouse(noted.location)) == [*range(1, number + 1)]
    assert openings == ["write"]


def test_whoever_only_reads_opens_the_file_for_reading_until_somebody_writes(
    noted: Warehouse, openings: list[str]
) -> None:
    assert numbers(noted) == numbers(noted) == [1]
    add(noted, 2)
    assert numbers(noted) == [1, 2]
    assert openings == ["read", "write"]


def test_without_a_block_that_keeps_it_the_file_is_opened_each_time(warehouse: Warehouse, openings: list[str]) -> None:
    with warehouse.transaction() as connection:
        connection.execute("create table main.noted (number int)")
    add(warehouse, 1)
    assert openings == ["write", "write"]
    assert not is_open_elsewhere(warehouse)


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_piece_of_work_sets_ends_with_it(noted: Warehouse, name: str, openings: list[str]) -> None:
    with noted.connect() as connection:
        before = shown(connection)
    for _ in range(3):
        with noted.connect() as connection:
            connection.execute(script(name))
            assert shown(connection) != before
        with noted.connect() as connection:
            assert shown(connection) == before
    assert openings == ["write"]


def test_all_that_our_sql_sets_for_everybody_is_known(noted: Warehouse) -> None:
    with noted.connect() as connection:
        scopes = dict(connection.execute("select name, scope from duckdb_settings()").fetchall())
    files = Path(stripe_cio_pipeline.__file__).parent.rglob("*.sql")
    statements = {
        (file.name, name.lower())
        for file in files
        if not {"sandbox", "listening"} & set(file.parts)
        for name in re.findall(r"^set (\w+) = (?!excluded)", file.read_text(), re.MULTILINE | re.IGNORECASE)
    }
    everybodys = {(file, name) for file, name in statements if scopes.get(name) == "GLOBAL"}
    assert {name for file, name in everybodys if file not in {"build.sql", "rules.sql"}} <= {
        "threads",
        "memory_limit",
        "force_compression",
        "wal_autocheckpoint",
        "max_vacuum_tasks",
    }
    assert len(everybodys) > 5


def test_what_a_build_locks_is_locked_for_the_build_alone(noted: Warehouse) -> None:
    add(noted, 2)
    build(noted, Policy(), run_id="run")
    with noted.connect() as connection:
        connection.execute("set threads = 1")
    assert numbers(noted) == [1, 2]


def test_whoever_reads_cannot_write(noted: Warehouse) -> None:
    add(noted, 2)
    with pytest.raises(duckdb.Error, match="read-only"), noted.reading() as connection:
        connection.execute("delete from main.noted")
    assert numbers(noted) == [1, 2]


def test_another_file_in_its_place_is_seen(noted: Warehouse) -> None:
    add(noted, 2)
    rewrite(noted)
    assert numbers(noted) == [1, 2]
    assert not Path(f"{noted.location}.wal").exists()


def test_a_file_that_is_gone_is_not_written_any_more(noted: Warehouse) -> None:
    add(noted, 2)
    Path(noted.location).unlink()
    with pytest.raises(WarehouseMissing, match="is gone"):
        add(noted, 3)


def test_after_a_failure_the_file_is_opened_anew(noted: Warehouse, openings: list[str]) -> None:
    add(noted, 2)
    with pytest.raises(ZeroDivisionError), noted.transaction() as connection:
        connection.execute("insert into main.noted values (3)")
        raise ZeroDivisionError
    assert numbers(noted) == [1, 2]
    assert openings == ["write", "read"]


def test_others_get_in_while_nothing_comes(noted: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KEEPER, "idle_seconds", 0.01)
    for number in (2, 3):
        add(noted, number)
        deadline = time.monotonic() + 20
        while is_open_elsewhere(noted):
            assert time.monotonic() < deadline
    assert numbers(noted) == [1, 2, 3]


def test_others_get_in_between_two_pieces_of_work_of_a_long_series(
    noted: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KEEPER, "longest_seconds", 0.0)
    add(noted, 2)
    assert not is_open_elsewhere(noted)


def test_the_last_of_several_blocks_closes_the_file(noted: Warehouse) -> None:
    with KEEPER.keeping():
        add(noted, 2)
    assert is_open_elsewhere(noted)


def test_at_the_end_the_file_is_closed_and_whole(warehouse: Warehouse) -> None:
    with KEEPER.keeping(), warehouse.transaction() as connection:
        connection.execute("create table main.noted as select 1 as number")
    assert not Path(f"{warehouse.location}.wal").exists()
    assert not is_open_elsewhere(warehouse)


def test_where_no_thread_can_be_started_the_file_is_closed_at_once(
    noted: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(KEEPER, "_closer", None)
    monkeypatch.setattr(threading.Thread, "start", refused)
    add(noted, 2)
    monkeypatch.undo()
    assert not is_open_elsewhere(noted)


def test_threads_that_come_and_go_lose_nothing(noted: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KEEPER, "idle_seconds", 0.002)
    monkeypatch.setattr(KEEPER, "longest_seconds", 0.02)
    one_at_a_time = threading.Lock()

    def work(turn: int) -> None:
        with KEEPER.keeping():
            if turn % 3:
                numbers(noted)
            else:
                with one_at_a_time:
                    add(noted, turn + 10)
            time.sleep(turn % 5 / 1000)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(60)))
    assert numbers(noted) == [1, *range(10, 70, 3)]
