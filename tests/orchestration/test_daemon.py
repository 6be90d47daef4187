"""A real daemon: runs queue one at a time, and the queue moves on after a crash."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
import yaml

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from tests.orchestration.running import RunningDagster, running_dagster, until_true

pytestmark = pytest.mark.timeout(300)

APPROVED = {"ops": {"make_plan": {"config": {"approve": True}}}}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """An account that is slow to answer, so that two runs would meet if they could."""
    (tmp_path / "stripe_cio.yaml").write_text("identity: {settle_seconds: 0}\n", encoding="utf-8")
    with Sandbox(
        customers=5,
        history_days=30,
        stripe=StripeSwitches(latency_seconds=0.15),
        customerio=CustomerioSwitches.gentle(),
    ) as running:
        yield running


def process_of(dagster: RunningDagster, run_id: str) -> int:
    """Give the process in which a run's steps are executed, once it is."""

    def look() -> int | None:
        with dg.DagsterInstance.from_config(str(dagster.home)) as instance:
            for entry in instance.all_logs(run_id):
                if found := re.search(r"in process \(pid: (\d+)\)", entry.user_message):
                    return int(found[1])
        return None

    return int(until_true(look, 60))


def test_runs_go_one_at_a_time_and_a_killed_one_does_not_keep_the_next_from_running(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with running_dagster(sandbox.environment(), tmp_path) as dagster:
        first, second = dagster.launch("sync", APPROVED), dagster.launch("sync", APPROVED)
        assert dagster.wait(first) == "SUCCESS"
        assert dagster.wait(second) == "SUCCESS"
        assert dagster.run(second)["startTime"] >= dagster.run(first)["endTime"]

        killed = dagster.launch("sync")
        process = process_of(dagster, killed)
        waiting = dagster.launch("verify")
        os.kill(process, signal.SIGKILL)
        assert dagster.wait(killed) == "FAILURE"
        assert dagster.wait(waiting) == "SUCCESS"
        # A worker that died is the one thing that Dagster itself tries again.
        again = until_true(
            lambda: (
                dagster.ask("{ runsOrError(limit: 1) { ... on Runs { results { runId } } } }")["runsOrError"][
                    "results"
                ][0]["runId"]
                not in {killed, waiting}
            ),
            30,
        )
        assert again


@pytest.mark.gauntlet
@pytest.mark.timeout(900)
def test_the_queue_moves_again_after_the_whole_machine_was_killed(sandbox: Sandbox, tmp_path: Path) -> None:
    with running_dagster(sandbox.environment(), tmp_path) as dagster:
        # An hour, as shipped, is too long for a test; nothing else is another.
        file = dagster.home / "dagster.yaml"
        shipped = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert shipped["run_monitoring"]["max_runtime_seconds"] == 3600
    shipped["run_monitoring"] |= {"max_runtime_seconds": 20, "poll_interval_seconds": 5}
    file.write_text(yaml.safe_dump(shipped), encoding="utf-8")
    sandbox.stripe.switches.latency_seconds = 2.0
    with running_dagster(sandbox.environment(), tmp_path) as dagster:
        cut_off = dagster.launch("sync", APPROVED)
        worker = process_of(dagster, cut_off)
        os.killpg(dagster.process.pid, signal.SIGKILL)
        for process in (worker, *code_servers(tmp_path)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    sandbox.stripe.switches.latency_seconds = 0.0
    with running_dagster(sandbox.environment(), tmp_path) as dagster:
        # Nobody has noticed that it was cut off, or on a slow machine it was noticed while Dagster started.
        assert dagster.run(cut_off)["status"] in {"STARTED", "CANCELING", "FAILURE", "CANCELED"}
        next_one = dagster.launch("sync", APPROVED)
        assert dagster.wait(next_one, seconds=400) == "SUCCESS"
        assert dagster.run(cut_off)["status"] in {"FAILURE", "CANCELED"}


def code_servers(folder: Path) -> list[int]:
    """Give our processes that have left the group: those whose Dagster home stands in this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"STRIPE_CIO_HOME={folder}".encode() in variables.split(b"\0"):
            found.append(int(entry.name))
    return found
