"""`stripe-cio listen` as a process: what it says, what it takes, how it ends, and what a kill leaves."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from stripe_cio_pipeline.listening import serving
from stripe_cio_pipeline.listening.envelope import Owner, open_envelope
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from stripe_cio_pipeline.sandbox.stripe.webhooks import Webhooks
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.conftest import python

pytestmark = [pytest.mark.timeout(300), pytest.mark.file_is_shared]

POLICY = """\
identity: {settle_seconds: 0}
events: {forward: [customer.subscription.created]}
guard: {first_load: send, max_changed_share: 1.0}
stripe: {limits: {endpoint: 500, account: 2000}}
"""
SAYS = re.compile(r"Listening at (http://127\.0\.0\.1:(\d+)/stripe/webhook) \(stop with Ctrl-C\)\.\n")


@dataclass
class Listening:
    """A process that listens, and what it has said so far."""

    process: "subprocess.Popen[str]"
    url: str

    @property
    def base(self) -> str:
        return self.url.removesuffix("/stripe/webhook")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.base + path, trust_env=False, timeout=20)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Let it end; give the exit code and what it said since it listens."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=100)
        return self.process.returncode, said


Start = Callable[..., Listening]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts it in this folder; whatever still runs in the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(port: int = 0) -> Listening:
        command = [sys.executable, "-m", "stripe_cio_pipeline.cli", "listen", "--port", str(port)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = SAYS.fullmatch(line)
        assert found, line + process.stdout.read()
        return Listening(process, found[1])

    yield begin
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Both sides with nobody there, and a folder with a policy; the environment points at them."""
    Path("stripe_cio.yaml").write_text(POLICY)
    switches = StripeSwitches(late_events_share=0.0, duplicate_events_share=0.0)
    with Sandbox(customers=0, leads=0, stripe=switches, customerio=CustomerioSwitches.gentle()) as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_nobody")
        yield made


def until(holds: Callable[[], object], what: str) -> None:
    for _ in range(6_000):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_from_stripes_event_to_a_person_while_it_runs_and_a_clean_end(
    cli, sandbox: Sandbox, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.stripe.create_customer(email="customer-0@example.com")
    assert cli("sync").exit_code == 0
    port = free_port()
    made = sandbox.stripe.create_webhook_endpoint(f"http://127.0.0.1:{port}/stripe/webhook")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", made["secret"])
    listening = start(port)
    assert listening.get("/health").status_code == 200
    customer = sandbox.stripe.create_customer(email="new@example.com")["id"]
    until(lambda: sandbox.customerio.person(id=customer), "the person is there")
    assert "stripe_cio_webhook_events_total" in listening.get("/metrics").text
    assert Path(".stripe_cio/inbox.sqlite").stat().st_mode & 0o777 == 0o600

    assert listening.end() == (0, "")

    shown = cli("status")
    assert "Webhooks have brought" in shown.words
    told = cli("status", "--json").json["webhooks"]
    assert told["brought"] >= 1
    assert told["inbox"]["waiting"] == 0


def test_whoever_comes_before_the_server_is_there_waits_for_it() -> None:
    with (
        serving._socket("127.0.0.1", 0) as bound,
        socket.create_connection(bound.getsockname(), timeout=5) as caller,
    ):
        assert caller.getpeername() == bound.getsockname()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_whatever_it_has_not_done_and_leaves_that_due(
    sandbox: Sandbox, start: Start, number: signal.Signals
) -> None:
    listening = start()
    code, said = listening.end(number)
    assert code == 0
    assert "Traceback" not in said


def test_what_is_missing_is_told_before_it_listens(cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")
    answer = cli("listen")
    assert answer.exit_code == 2
    assert "STRIPE_WEBHOOK_SECRET is not set" in answer.words
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "secret-word")
    answer = cli("listen")
    assert answer.exit_code == 2
    assert "whsec_" in answer.words
    assert "secret-word" not in answer.words
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = cli("listen", "--port", str(taken.getsockname()[1]))
    assert answer.exit_code == 1
    assert "Name another address: --host, --port." in answer.words


def test_a_secret_in_the_file_is_read_again_without_a_restart(
    sandbox: Sandbox, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")
    port = free_port()
    made = sandbox.stripe.create_webhook_endpoint(f"http://127.0.0.1:{port}/stripe/webhook")
    Path(".env").write_text(f"STRIPE_WEBHOOK_SECRET={made['secret']}\n")
    start(port)
    inbox = Inbox(Path(".stripe_cio/inbox.sqlite"))
    sandbox.stripe.create_customer(email="new-1@example.com")
    until(lambda: len(inbox.waiting(9)) == 1, "an event signed with the first secret was taken")
    rolled = sandbox.stripe.roll_webhook_secret(made["id"], hours=0)
    Path(".env").write_text(f"STRIPE_WEBHOOK_SECRET={made['secret']},{rolled['secret']}\n")
    time.sleep(1.1)  # it looks once a second at most
    sandbox.stripe.create_customer(email="new-2@example.com")
    until(lambda: len(inbox.waiting(9)) == 2, "an event signed with the second was taken")
    inbox.close()


def test_a_sync_tells_of_events_that_nobody_has_taken_for_hours_and_ends_as_ever(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.create_customer(email="customer-0@example.com")
    assert cli("sync").exit_code == 0
    [event] = sandbox.stripe.events()
    inbox = Inbox(Path(".stripe_cio/inbox.sqlite"), now=lambda: time.time() - 4 * 3_600)
    inbox.store(
        [open_envelope(json.dumps(event).encode(), 1_790_000_000, Owner(None, livemode=False, connected=False))]
    )
    inbox.close()
    assert cli("sync").exit_code == 0
    [(state, detail)] = rows("select state, detail from pipeline.alerts where subject = 'webhooks'")
    assert state == "bad"
    assert re.fullmatch(r"1 webhook event has waited for 24\d minutes; alerts\.stale_minutes is 180\.", detail)
    for file in Path(".stripe_cio").glob("inbox.sqlite*"):
        file.write_bytes(b"no database" * 1_000)
    assert cli("sync").exit_code == 0
    assert rows("select state from pipeline.alerts where subject = 'webhooks'") == [("bad",)], "nobody knows better"


def test_no_other_command_waits_for_a_server() -> None:
    """A sync must not import what only `listen` needs."""
    ended = python(
        "-c",
        "import sys; from stripe_cio_pipeline.cli import sync, status, repair, app;"
        "print(sorted({'uvicorn', 'starlette', 'httptools'} & set(sys.modules)))",
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("kills", "customers"), [(3, 8), pytest.param(100, 60, marks=[pytest.mark.gauntlet, pytest.mark.timeout(3_600)])]
)
def test_killed_at_any_moment_every_event_that_was_accepted_is_delivered_or_due_once(
    cli, sandbox: Sandbox, start: Start, monkeypatch: pytest.MonkeyPatch, kills: int, customers: int
) -> None:
    sandbox.stripe.create_customer(email="customer-0@example.com")
    assert cli("sync").exit_code == 0
    port = free_port()
    made = sandbox.stripe.create_webhook_endpoint(f"http://127.0.0.1:{port}/stripe/webhook")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", made["secret"])
    accepted: set[str] = set()
    settle = Webhooks.settle

    def noting(self: Webhooks, delivery: Any, *, taken: bool) -> None:
        if taken:
            accepted.add(delivery.event)
        settle(self, delivery, taken=taken)

    monkeypatch.setattr(Webhooks, "settle", noting)
    chance, subscribed = random.Random(19), []
    for kill in range(kills):
        listening = start(port)
        for _ in range(max(1, customers // kills)):
            customer = sandbox.stripe.create_customer(email=f"c-{kill}-{len(subscribed)}@example.com")["id"]
            subscribed.append(customer)
            sandbox.stripe.create_subscription(customer)
        time.sleep(chance.uniform(0.05, 4.0))
        listening.process.kill()
        listening.process.wait()
    assert accepted, "something was accepted before a kill"
    last = start(port)
    inbox = Inbox(Path(".stripe_cio/inbox.sqlite"))
    until(lambda: not inbox.waiting(1), "the inbox is empty")
    inbox.close()
    last.end()
    [(known,)] = rows("select count(*) from stripe.events where id in (select unnest(?))", list(accepted))
    assert known == len(accepted), "what was accepted is in the warehouse, each once"
    for _ in range(2):
        answer = cli("sync")
        assert answer.exit_code == 0, answer.words
    told = sandbox.customerio.truth()
    assert not told.repeated
    for customer in subscribed:
        assert told.of(customer).exists, customer
        assert list(told.of(customer).events.values()) == [1], customer


def rows(statement: str, *parameters: Any) -> list[Any]:
    with Warehouse(".stripe_cio/warehouse.duckdb").reading() as connection:
        return connection.execute(statement, list(parameters)).fetchall()
