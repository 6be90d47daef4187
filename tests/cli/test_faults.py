"""Faults that an operator meets: told as what they are, with what is safe and what to do; nothing is sent twice."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stripe_cio_pipeline.sandbox import Sandbox
from tests.cli.conftest import Answer, Ended, python

READING = [("status",), ("plan",), ("explain", "cus_1"), ("sync",), ("verify",), ("reconcile",), ("retry", "cus_1")]
WAREHOUSE = Path(".stripe_cio/warehouse.duckdb")


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def a_flipped_block(data: bytes) -> bytes:
    """Each block but the first has some bits turned over."""
    block = 262_144
    begin = 12_288
    return b"".join(
        [data[:begin]]
        + [
            data[at : at + 5_000]
            + bytes(byte ^ 255 for byte in data[at + 5_000 : at + 5_064])
            + data[at + 5_064 : at + block]
            for at in range(begin, len(data), block)
        ]
    )


def a_broken_heading(data: bytes) -> bytes:
    return data[:20] + b"\xff" * 8 + data[28:]


def told_as_a_fault(answer: Answer) -> None:
    assert answer.exit_code == 1, answer.words
    assert "unexpected" not in answer.words


@pytest.mark.parametrize("damage", [half, a_flipped_block, a_broken_heading])
@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_damaged_warehouse_is_told_as_one(
    command: tuple[str, ...], damage: Callable[[bytes], bytes], cli, synced: Sandbox
) -> None:
    WAREHOUSE.write_bytes(damage(WAREHOUSE.read_bytes()))
    sent = synced.customerio.counters["operations.accepted"]

    answer = cli(*command, "--json")

    told_as_a_fault(answer)
    assert answer.json["error"]["kind"] == "WarehouseDamaged"
    assert "is damaged or not whole" in answer.words
    assert "Restore the file from a backup" in answer.words
    assert synced.customerio.counters["operations.accepted"] == sent


def test_check_tells_damage_too(cli, synced: Sandbox) -> None:
    WAREHOUSE.write_bytes(half(WAREHOUSE.read_bytes()))
    answer = cli("check", "--json")
    assert answer.exit_code == 1
    assert "is damaged or not whole" in answer.words


LIMITED = """
import resource, signal, sys
from stripe_cio_pipeline.cli.app import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(sys.argv[2:]))
"""


def limited(size: int, *arguments: str) -> Ended:
    """Run a command that may write files of so many bytes and no longer ones, as under a quota."""
    return python("-c", LIMITED, str(size), *arguments)


def test_a_quota_that_is_used_up_is_told_and_the_next_run_is_whole(
    cli, sandbox: Sandbox, policy_file: None, empty_warehouse: Path
) -> None:
    for number in range(40):
        noise = random.Random(number).randbytes(20_000).hex()
        sandbox.stripe.create_customer(email=f"customer-{number}@example.com", description=noise)
    sandbox.clock.advance(hours=1)
    stopped = limited(empty_warehouse.stat().st_size + 300_000, "sync")

    assert stopped.returncode == 1, stopped.stderr
    words = stopped.stdout + stopped.stderr
    assert "is full, or its quota is used up" in words
    assert "unexpected" not in words
    assert "Traceback" not in words

    assert cli("sync").exit_code == 0
    assert len(sandbox.customerio.people()) == 40


LEFT_BESIDE = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("create table pipeline.noise as select sha256(i::varchar) as noise from range(120_000) as r (i)")
os._exit(0)
"""


def test_tidying_where_there_is_no_room_says_so_and_does_not_wait_for_others(cli, synced: Sandbox) -> None:
    subprocess.run([sys.executable, "-c", LEFT_BESIDE, str(WAREHOUSE)], check=True)
    assert WAREHOUSE.with_suffix(".duckdb.wal").exists()

    told = limited(WAREHOUSE.stat().st_size, "tidy")

    assert told.returncode == 1
    assert "is full, or its quota is used up" in told.stdout + told.stderr
    assert cli("tidy").exit_code == 0


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_with_damaged_dagster_storage_a_sync_still_runs(name: str, cli, sandbox: Sandbox, policy_file: None) -> None:
    from stripe_cio_pipeline.orchestration.development import prepare_home
    from stripe_cio_pipeline.settings import load_settings

    sandbox.stripe.create_customer(email="customer-1@example.com")
    sandbox.clock.advance(hours=1)
    home = prepare_home(load_settings())
    (damaged,) = [home / "storage" / name] if (home / "storage").exists() else [home / name]
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(b"no database at all " * 1000)

    answer = cli("sync")

    assert answer.exit_code == 0, answer.words
    assert "Dagster's storage in" in answer.words
    assert len(sandbox.customerio.people()) == 1
