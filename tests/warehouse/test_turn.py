"""One at a time builds, plans and delivers, and whoever waits is told for whom."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import WarehouseBusy, WarehouseError
from stripe_cio_pipeline.warehouse import Turn, Warehouse

HOLD = """
import sys
from stripe_cio_pipeline.warehouse import Turn, Warehouse
Turn(Warehouse(sys.argv[1]), "the other one").take()
print("held", flush=True)
sys.stdin.read()
"""


class Hands:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.moment = 0.0

    def sleep(self, seconds: float) -> None:
        self.moment += seconds

    def warehouse(self, path: Path, wait: float) -> Warehouse:
        return Warehouse(path, lock_wait_seconds=wait, sleep=self.sleep, clock=lambda: self.moment)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def is_free(path: Path) -> bool:
    turn = Turn(Warehouse(path, lock_wait_seconds=0), "a look")
    try:
        turn.take()
    except WarehouseBusy:
        return False
    turn.give_back()
    return True


def test_a_turn_is_taken_once_and_free_again_after_it(path: Path) -> None:
    turn = Turn(Warehouse(path), "stripe-cio sync")
    with turn:
        assert not is_free(path)
        turn.take()
        assert not is_free(path)
    assert is_free(path)
    turn.give_back()
    with pytest.raises(ZeroDivisionError), turn:
        _ = 1 / 0
    assert is_free(path)


def test_whoever_waits_is_told_once_for_whom_and_then_what_to_do(path: Path) -> None:
    hands, told = Hands(), list[str]()
    with Turn(Warehouse(path), "stripe-cio sync"), pytest.raises(WarehouseBusy) as busy:
        Turn(hands.warehouse(path, wait=7), "me", tell=told.append).take()
    holder = rf"process {os.getpid()} \(stripe-cio sync, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    for words in (holder, "not done within 7 s", "Run this again"):
        assert re.search(words, str(busy.value))
    assert busy.value.exit_code == 1
    (sentence,) = told
    assert re.search(holder, sentence)
    assert hands.moment >= 7


def test_a_wait_of_less_than_a_second_is_not_told(path: Path) -> None:
    told: list[str] = []
    with Turn(Warehouse(path), "stripe-cio sync"), pytest.raises(WarehouseBusy):
        Turn(Hands().warehouse(path, wait=0.9), "me", tell=told.append).take()
    assert told == []


def test_the_name_of_a_former_holder_is_never_told(path: Path) -> None:
    """Between taking the turn and writing its name, a holder has none."""
    with Turn(Warehouse(path), "stripe-cio sync") as turn:
        pass
    assert turn.path.read_bytes() == b""


def test_threads_of_one_process_take_turns_too(path: Path) -> None:
    inside = most = 0
    entered = threading.Event()

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with Turn(Warehouse(path, lock_wait_seconds=60), "a thread"):
                inside += 1
                most = max(most, inside)
                entered.wait(0.002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_turn_goes_with_a_process_that_is_killed(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WarehouseBusy, match=rf"process {holder.pid} \(the other one"):
            Turn(Warehouse(path, lock_wait_seconds=0), "me").take()
        holder.kill()
    assert is_free(path)


def test_a_link_to_a_warehouse_is_the_same_turn(path: Path) -> None:
    link = path.with_name("link.duckdb")
    link.symlink_to(path)
    with Turn(Warehouse(path), "stripe-cio sync"):
        assert not is_free(link)
        assert is_free(path.with_name("another.duckdb"))


def test_reading_and_writing_need_no_turn(path: Path) -> None:
    with Turn(Warehouse(path), "stripe-cio sync"):
        with Warehouse(path, lock_wait_seconds=0).transaction():
            pass
        with Warehouse(path, lock_wait_seconds=0).reading():
            pass


def test_a_wait_that_is_interrupted_holds_nothing(path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    waiting = Turn(Warehouse(path, sleep=interrupt), "me")
    with Turn(Warehouse(path), "stripe-cio sync"), pytest.raises(KeyboardInterrupt):
        waiting.take()
    assert is_free(path)


def test_a_lock_file_that_cannot_be_used_is_named(path: Path) -> None:
    path.with_name("warehouse.duckdb.turn").mkdir()
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb\.turn cannot be used"):
        Turn(Warehouse(path), "me").take()
