"""Two syncs at once: one after the other, both end well, and nothing is sent twice."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.sandbox import Fault, Sandbox
from stripe_cio_pipeline.warehouse import Turn, Warehouse

pytestmark = pytest.mark.timeout(300)

PEOPLE = 20
POLICY = """\
identity: {settle_seconds: 0}
events: {forward: [customer.subscription.created]}
guard: {first_load: send, max_changed_share: 1.0}
stripe: {limits: {endpoint: 500, account: 2000}}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A `stripe-cio sync --json` in a process of its own."""

    process: "subprocess.Popen[bytes]"
    out: Path
    err: Path

    @property
    def said(self) -> str:
        return " ".join(self.err.read_text(encoding="utf-8").split())

    @property
    def numbers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out.read_text(encoding="utf-8").splitlines()[-1])
        return found

    def end(self) -> int:
        return self.process.wait(250)


@pytest.fixture
def start(sandbox: Sandbox) -> Any:
    """Starts a sync in this folder; whatever still runs in the end is killed."""
    started: list[Running] = []

    def begin() -> Running:
        out, err = Path(f"out-{len(started)}"), Path(f"err-{len(started)}")
        command = [sys.executable, "-m", "stripe_cio_pipeline.cli", "sync", "--json", "--wait", "600"]
        with out.open("wb") as written, err.open("wb") as told:
            process = subprocess.Popen(command, stdout=written, stderr=told, env={**os.environ})
        started.append(Running(process, out, err))
        return started[-1]

    yield begin
    for running in started:
        running.process.kill()
        running.process.wait()


def until(question: Callable[[], bool], *watched: Running) -> None:
    """Wait for something that these processes are to do."""
    while not question():
        assert [each.process.poll() for each in watched] == [None] * len(watched), [each.said for each in watched]
        time.sleep(0.02)


def let_events_be_due(cli, sandbox: Sandbox, number: int) -> int:
    """Sync people, then begin so many subscriptions, each with an event to forward. Gives the writes until then."""
    Path("stripe_cio.yaml").write_text(POLICY)
    customers = [sandbox.stripe.create_customer(email=f"customer-{each}@example.com")["id"] for each in range(PEOPLE)]
    price = sandbox.stripe.create_price()["id"]
    sandbox.clock.advance(minutes=2)
    assert cli("sync").exit_code == 0
    assert len(sandbox.customerio.people()) == PEOPLE
    for each in range(number):
        sandbox.stripe.create_subscription(customers[each % PEOPLE], price=price)
    sandbox.clock.advance(minutes=2)
    return sandbox.customerio.counters["operations.accepted"]


@pytest.mark.parametrize("events", [100, pytest.param(1_000, marks=pytest.mark.gauntlet)])
def test_two_syncs_at_once_are_one_after_the_other(cli, sandbox: Sandbox, start, events: int) -> None:
    before = let_events_be_due(cli, sandbox, events)
    with Turn(Warehouse(".stripe_cio/warehouse.duckdb"), "the test"):
        both = [start(), start()]
        # Both have read Stripe now, and begin in the same moment.
        until(lambda: all(f"Waiting for process {os.getpid()} (the test" in each.said for each in both), *both)
    assert [each.end() for each in both] == [0, 0], [each.said for each in both]
    # An update of each person, who has a subscription now, and each event: once.
    assert sandbox.customerio.counters["operations.accepted"] - before == PEOPLE + events
    assert len(sandbox.customerio.events()) == events
    assert sorted(each.numbers["customerio"]["accepted"] for each in both) == [0, PEOPLE + events]
    assert sorted(each.numbers["events"]["accepted"] for each in both) == [0, events]
    for each in both:
        assert each.numbers["customerio"]["due"] == 0
        assert "items are pending" not in each.said
        assert "error" not in each.numbers
    calls = sandbox.customerio.counters.requests
    assert cli("sync").exit_code == 0
    assert sandbox.customerio.counters.requests == calls


def test_when_the_one_at_work_is_killed_the_other_goes_on_at_once(cli, sandbox: Sandbox, start) -> None:
    let_events_be_due(cli, sandbox, 100)
    faults = sandbox.customerio.faults
    faults.rate(1.0, Fault.slow(300), path="/api/v2/batch")
    calls = faults.request_number
    killed = start()
    until(lambda: faults.request_number > calls, killed)
    waiting = start()
    until(lambda: f"Waiting for process {killed.process.pid} (stripe-cio sync" in waiting.said, waiting)
    faults.clear()
    killed.process.kill()
    # It would wait for ten minutes: that it ends tells that it need not.
    assert waiting.end() == 0, waiting.said
    assert waiting.numbers["events"]["accepted"] == len(sandbox.customerio.events()) == 100


@pytest.mark.parametrize(
    "command",
    [
        ("sync", "--approve"),
        ("plan",),
        ("backfill-events", "--since", "2026-01-01"),
        ("forget", "cus_unknown", "--yes"),
    ],
)
def test_a_command_that_cannot_have_the_turn_says_who_has_it(cli, synced: Sandbox, command: tuple[str, ...]) -> None:
    with Turn(Warehouse(".stripe_cio/warehouse.duckdb"), "stripe-cio sync"):
        answer = cli(*command, "--wait", "0", "--json")
    assert answer.exit_code == 1
    assert answer.json["error"]["kind"] == "WarehouseBusy"
    assert f"process {os.getpid()} (stripe-cio sync, since" in answer.json["error"]["what"]
    assert "Run this again" in answer.json["error"]["advice"]


def test_whoever_only_reads_waits_for_nobody(cli, synced: Sandbox) -> None:
    with Turn(Warehouse(".stripe_cio/warehouse.duckdb"), "stripe-cio sync"):
        assert cli("status", "--wait", "0").exit_code == 0


@pytest.mark.parametrize(
    ("location", "words"),
    [("md:acme?motherduck_token=secret", "connection string"), ("data/stripe.duckdb", "cannot be called stripe")],
)
@pytest.mark.parametrize("command", [("sync",), ("status",), ("check",)])
def test_a_warehouse_that_cannot_be_used_is_refused_with_the_reason(
    cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], location: str, words: str
) -> None:
    monkeypatch.setenv("STRIPE_CIO_WAREHOUSE", location)
    answer = cli(*command, "--json")
    assert answer.exit_code == 2
    assert words in answer.words
    assert "STRIPE_CIO_WAREHOUSE" in answer.words
    assert "secret" not in answer.words
