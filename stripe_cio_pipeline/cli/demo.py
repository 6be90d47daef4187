"""`demo`: the whole pipeline against a sandbox of its own, with a proof at the end. No account, no key, no network."""

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stripe_cio_pipeline.cli.demo_events import prove_events
from stripe_cio_pipeline.cli.demo_proof import Proof, prove
from stripe_cio_pipeline.cli.demo_stripe import read_truth
from stripe_cio_pipeline.cli.demo_webhook import show_webhook
from stripe_cio_pipeline.cli.live import working
from stripe_cio_pipeline.cli.output import Output, duration, many
from stripe_cio_pipeline.cli.reports import Reports
from stripe_cio_pipeline.cli.session import Json, Session, fresh_home
from stripe_cio_pipeline.cli.sync import run_and_show
from stripe_cio_pipeline.orchestration.development import prepare_home
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import READ_AS, Settings
from stripe_cio_pipeline.warehouse import Statements, Warehouse

_SQL = Statements("stripe_cio_pipeline.cli.sql")

#: The sandbox has a clock of its own. A fixed start makes every demo with one seed the same.
_START = datetime(2026, 3, 2, 9, tzinfo=UTC)
#: Links settle in 30 s by default, because the real Customer.io takes its time. The sandbox takes up to 0.2 s.
_SETTLE_SECONDS = 1
#: An event can be listed up to a minute after it happened; the demo waits until nothing is that young.
_LATENESS_SECONDS = 60
_MOST_ROUNDS = 5
_MOST_DIFFERENCES = 50


@dataclass(slots=True)
class _Demo:
    """One demonstration under way."""

    sandbox: Sandbox
    session: Session
    leads: frozenset[str]
    runs: list[dict[str, Any]] = field(default_factory=list)
    ever: set[str] = field(default_factory=set)
    #: Before and after the first sync: events are forwarded from a moment in between.
    installed: tuple[float, float] = (0, 0)

    @property
    def output(self) -> Output:
        return self.session.output

    def sync(self, title: str, *, recorded: bool = False) -> Reports:
        """Run the Dagster job once, and let the sandbox itself count what it was asked.

        Dagster's storage is slow on a slow disk, so only the runs that are worth a look later are recorded.
        """
        self.output.say()
        self.output.console.rule(title, align="left")
        before = self._requests()
        reports, outcome = run_and_show(self.session, recorded=recorded)
        stripe, customerio = (now - then for now, then in zip(self._requests(), before, strict=True))
        self.output.say(
            f"The sandbox counted {many(stripe, 'request')} at Stripe and {many(customerio, 'request')} at "
            f"Customer.io; the run took {duration(outcome['seconds'])}.",
            "dim",
        )
        self.runs.append(
            {
                "title": title,
                **reports.summary(),
                **outcome,
                "counted": {"stripe": stripe, "customerio": customerio},
            }
        )
        if outcome["exit_code"]:
            error = outcome.get("error") or {"what": " ".join(reports.left_undone), "advice": ""}
            self.output.bad(f"{error['what']} {error['advice']}")
            raise typer.Exit(1)
        self.sandbox.customerio.settle()
        self.ever.update(person.id for person in self.sandbox.customerio.people() if person.id)
        return reports

    def pass_days(self, days: int) -> None:
        """Let the account live, and tell what happened."""
        then = self.sandbox.clock.now()
        with working(self.output, "Days pass") as bars:
            for day in range(days):
                bars.count("days", day, days)
                self.sandbox.clock.advance(days=1)
            while any(event["created"] > self._now - _LATENESS_SECONDS for event in self._events_since(then)):
                self.sandbox.clock.advance(seconds=_LATENESS_SECONDS)
        happened = Counter(event["type"] for event in self._events_since(then))
        self.output.say()
        self.output.table(
            f"What happened at Stripe in {days} days",
            ("event", "times"),
            happened.most_common(12),
            numbers=("times",),
        )

    def settle(self) -> None:
        """Wait until new links count as settled."""
        with working(self.output, "Waiting until new links are settled"):
            time.sleep(_SETTLE_SECONDS + 0.1)

    def prove(self) -> Proof:
        """Compare everybody in Customer.io with Stripe."""
        with working(self.output, "Recomputing everything from Stripe's API, and comparing"):
            with self.session.warehouse.reading() as connection:
                held = {str(person): str(reason) for person, reason in connection.execute(_SQL["demo_held"]).fetchall()}
            truth, people = read_truth(self.sandbox, since=self.installed[0]), self.sandbox.customerio.people()
            proof = prove(truth, people, leads=self.leads, held=held, ever=self.ever)
            told, found = self.sandbox.stripe.events(), self.sandbox.customerio.events()
            prove_events(proof, truth, told, people, found, held=held, since=self.installed)
        return proof

    @property
    def _now(self) -> float:
        return self.sandbox.clock.now()

    def _events_since(self, moment: float) -> list[Any]:
        return [event for event in self.sandbox.stripe.events() if event["created"] > moment]

    def _requests(self) -> tuple[int, int]:
        return self.sandbox.stripe.counters.requests, self.sandbox.customerio.counters.requests


def demo(
    customers: Annotated[int, typer.Option(min=1, help="Stripe customers to begin with.")] = 1000,
    days: Annotated[int, typer.Option(min=1, max=25, help="Days that pass between the syncs.")] = 7,
    seed: Annotated[int, typer.Option(help="The same seed gives the same account.")] = 7,
    fast: Annotated[bool, typer.Option("--fast", help="Only 100 customers.")] = False,
    as_json: Json = False,
) -> None:
    """Show the whole pipeline against a sandbox: sync, let days pass, sync again, and prove the result."""
    output = Output(as_json=as_json)
    started = time.monotonic()
    home = fresh_home(Path(os.environ.get("STRIPE_CIO_HOME") or ".stripe_cio").absolute() / "demo")
    customers = min(customers, 100) if fast else customers
    with _own_environment(), contextlib.ExitStack() as held:
        with working(output, f"Starting the sandbox: a Stripe with {customers:,} customers, a Customer.io"):
            sandbox = held.enter_context(Sandbox(seed=seed, customers=customers, start=_START, leads=0.3))
            settings, policy, warehouse = _configured(sandbox, home)
            prepare_home(settings)
        proof, runs, lag = _demonstrate(sandbox, Session(settings, policy, warehouse, output), days)
    exit_code = show_proof(output, proof)
    seconds = time.monotonic() - started
    if proof.holds:
        _say_what_is_next(output, home, warehouse)
    output.say(f"The demo took {duration(seconds)}. From an event at Stripe to the person: {lag:.1f} s.", "dim")
    output.result(
        {
            "runs": runs,
            "proof": proof,
            "event_to_person_seconds": round(lag, 3),
            "seconds": round(seconds, 3),
            "exit_code": exit_code,
        }
    )
    raise typer.Exit(exit_code)


def _demonstrate(sandbox: Sandbox, session: Session, days: int) -> tuple[Proof, list[dict[str, Any]], float]:
    people = sandbox.customerio.people()
    demo = _Demo(sandbox, session, frozenset(person.email for person in people if person.email))
    session.output.say(
        f"Stripe has {len(sandbox.stripe.objects('customer')):,} customers. Customer.io has {len(people):,} leads: "
        "an email and no id. Both are real HTTP servers on loopback."
    )
    before = sandbox.clock.now()
    demo.sync("1. The first sync: all history; everybody is linked or created", recorded=True)
    demo.installed = (before, sandbox.clock.now())
    demo.settle()
    demo.pass_days(days)
    reports = demo.sync(f"2. {days} days later: only what changed", recorded=True)
    waiting, formerly = _waiting(reports), 0
    for _ in range(_MOST_ROUNDS):
        # What a round does not move waits for somebody who came and went between two syncs, and is never made.
        if waiting in {0, formerly}:
            break
        demo.settle()
        reports = demo.sync("3. A moment later: events held until new links were confirmed")
        waiting, formerly = _waiting(reports), waiting
    session.output.say()
    session.output.console.rule("4. In real time: a webhook instead of a sync", align="left")
    seconds = show_webhook(session.output, sandbox, session.settings, session.policy)
    demo.sync("5. Once more, with nothing changed")
    last = demo.runs[-1]["counted"]
    if last["customerio"] == 0:
        session.output.good(
            f"Nothing changed, so nothing was sent; checking Stripe took {many(last['stripe'], 'request')}."
        )
    return demo.prove(), demo.runs, seconds


def _waiting(reports: Reports) -> int:
    """Count what the next sync can send although nothing changes: after a link, and where a link is not confirmed."""
    counts = reports.planned.counts if reports.planned else None
    return counts.identify + counts.waiting + counts.waiting_events if counts else 0


def show_proof(output: Output, proof: Proof) -> int:
    """Show what was compared and what differs, and give the exit code: 1 where anything does."""
    output.say()
    output.console.rule("The proof: Customer.io against Stripe, recomputed without the pipeline", align="left")
    output.table(
        "Compared",
        ("what", "number"),
        (
            ("people in Customer.io who are Stripe customers", proof.people),
            ("values compared", proof.values),
            ("of these people, leads found by email and linked", proof.linked_leads),
            ("leads who are not customers, left alone", proof.leads_left_alone),
            ("people held back by the plan, with a reason", len(proof.held)),
            ("events compared", proof.events),
            ("differences", len(proof.differences)),
        ),
        numbers=("number",),
    )
    for person, reason in proof.held.items():
        output.say(f"  held: {person} ({reason})")
    if proof.holds:
        output.good(
            "Every customer is there exactly once, every lead is linked, every value matches Stripe, and every event "
            "came once."
        )
        return 0
    output.bad("Customer.io does not match Stripe.")
    output.table(
        "Differences",
        ("person", "what", "Stripe says", "Customer.io has"),
        ((each.person, each.what, each.expected, each.found) for each in proof.differences[:_MOST_DIFFERENCES]),
    )
    return 1


def _say_what_is_next(output: Output, home: Path, warehouse: Warehouse) -> None:
    with warehouse.reading() as connection:
        found = connection.execute(_SQL["demo_busiest"]).fetchone()
    person = found[0] if found else "cus_..."
    output.say()
    output.say("Next", "bold")
    output.say(f"  export STRIPE_CIO_HOME={visible(shlex.quote(os.path.relpath(home)))}")
    program = _program()
    for arguments, what in (
        (f"explain {person}", "one person's whole history"),
        ("status", "the state of everything"),
        ("dev", "these runs in the Dagster UI"),
        ("lineage mrr", "what feeds an attribute"),
        ("dev --sandbox", "the UI on a living sandbox"),
    ):
        output.say(f"  {program} {arguments:<29}{what}")


def _program() -> str:
    """Name this program as the user can call it: after `make demo` it is in `.venv/bin`, which no PATH knows."""
    beside = Path(sys.executable).with_name("stripe-cio")
    if shutil.which("stripe-cio") is None and beside.exists():
        return os.path.relpath(beside)
    return "stripe-cio"


def _configured(sandbox: Sandbox, home: Path) -> tuple[Settings, Policy, Warehouse]:
    given: dict[str, Any] = {READ_AS[name]: each.default for name, each in Settings.model_fields.items()}
    given |= {name.lower(): value for name, value in sandbox.environment().items()}
    given["STRIPE_CIO_HOME"] = home
    settings = Settings.model_validate(given)
    policy = parse_policy(
        {
            "identity": {"settle_seconds": _SETTLE_SECONDS},
            "guard": {"first_load": "send", "max_changed_share": 1.0},
            "stripe": {"limits": {"endpoint": 500, "account": 2000}},
            "customerio": {"requests_per_second": 100},
        },
        "the demo's policy",
    )
    return settings, policy, Warehouse(settings.warehouse_location)


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Keep a real account's variables and Dagster home out of the demo, and proxies off loopback."""
    ours = ("STRIPE_", "CUSTOMERIO_", "DAGSTER_HOME")
    kept = {name: value for name, value in os.environ.items() if name.startswith(ours)}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)
