"""Customers at a desk, an awkward Customer.io, and planning and delivery between them: hours pass in a moment.

What Stripe has is written straight into the model's tables (tests/plan/conftest.py), which takes no time; everything
from there on is the real way, over HTTP.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stripe_cio_pipeline.deliver import (
    DeliveryReport,
    LinksReport,
    Patience,
    VerifyReport,
    deliver,
    look_at_links,
    retry,
    verify,
)
from stripe_cio_pipeline.plan import Plan, make_plan
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sandbox.customerio.people import Person
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.plan.conftest import START, Desk, InMemory

#: Retries as fast as they can be, so that a test waits for nothing.
QUICK = Patience(attempts=3, seconds=10.0, first=0.001, longest=0.002, jitter=0.0)


@dataclass
class World:
    """Whatever time it is, it is the sandbox's."""

    sandbox: Sandbox
    desk: Desk = field(default_factory=lambda: Desk(InMemory()))
    has_app_key: bool = True
    runs: int = 0
    looked: LinksReport = field(default_factory=LinksReport)
    delivered: DeliveryReport | None = None

    @property
    def settings(self) -> Settings:
        names = {name.lower(): value for name, value in self.sandbox.environment().items()}
        if not self.has_app_key:
            del names["customerio_app_api_key"]
        return Settings(_env_file=None, **names)  # type: ignore[arg-type,call-arg]

    @property
    def workspace(self) -> Any:
        return self.sandbox.customerio

    @property
    def warehouse(self) -> Warehouse:
        return self.desk.warehouse

    def set_policy(self, **sections: dict[str, Any]) -> None:
        self.desk.set_policy(**{"customerio": {"requests_per_second": 1000}, **sections})

    def now(self) -> float:
        return self.sandbox.clock.now()

    def wait(self, **much: float) -> None:
        self.sandbox.clock.advance(**much)

    # Stripe

    def customer(self, email: str | None, **fields: Any) -> str:
        name = f"cus_{len(self.desk.customers) + 1:04}"
        self.desk.customer(name, email=email, **fields)
        return name

    def change(self, customer: str, **fields: Any) -> None:
        self.desk.customer(customer, **fields)

    def payment_fails(self, customer: str) -> None:
        self.wait(seconds=1)
        self.desk.event(f"evt_{int(self.now())}", customer, int(self.now()), "invoice.payment_failed")

    # The pipeline

    def plan(self) -> Plan:
        """Model, look at new links, and plan."""
        self.runs += 1
        self.desk.model()
        run = f"run-{self.runs}"
        warehouse, policy = self.warehouse, self.desk.policy
        self.looked = look_at_links(warehouse, self.settings, policy, run_id=run, now=self.now, patience=QUICK)
        self.planned = make_plan(
            warehouse,
            policy,
            run_id=run,
            now=self.now,
            events_since=START,
            links_are_seen=self.has_app_key,
        )
        return self.planned

    def deliver(self, **more: Any) -> DeliveryReport:
        """Send what is planned."""
        self.delivered = deliver(
            self.warehouse,
            self.settings,
            self.desk.policy,
            run_id=f"run-{self.runs}",
            now=self.now,
            patience=QUICK,
            **more,
        )
        return self.delivered

    def sync(self) -> list[str]:
        """Sync once, a minute later; give what was planned as `person reason`, events left out."""
        self.wait(seconds=60)
        self.plan()
        rows = self.ask("select person_id, reason from customerio.plan where action <> 'event' order by all")
        report = self.deliver(approve=True)
        assert report.due == 0, report.problem
        self.wait(seconds=1)
        return [f"{person} {reason}" for person, reason in rows]

    def verify(self, **more: Any) -> VerifyReport:
        self.wait(seconds=60)
        self.runs += 1
        return verify(
            self.warehouse,
            self.settings,
            self.desk.policy,
            run_id=f"verify-{self.runs}",
            now=self.now,
            patience=QUICK,
            **more,
        )

    def retry(self, *people: str) -> int:
        return retry(self.warehouse, people, now=self.now)

    # What is so

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(statement, list(parameters)).fetchall()

    def ledger(self, person: str) -> dict[str, Any]:
        columns = ("state", "id", "email", "cio_id", "attributes", "reason", "missed_at")
        (row,) = self.ask(f"select {', '.join(columns)} from customerio.people where person_id = ?", person)
        return {**dict(zip(columns, row, strict=True)), "attributes": json.loads(row[4] or "null")}

    def state(self, person: str) -> str:
        state: str = self.ledger(person)["state"]
        return state

    def people(self) -> list[Person]:
        found: list[Person] = self.workspace.people()
        return found

    def shells(self) -> list[Person]:
        """Those whom an event made and nobody has identified."""
        return [person for person in self.people() if person.shell]

    def events_of(self, **identifier: str) -> list[str]:
        """The names of the events that a person has, in Customer.io."""
        person = self.workspace.person(**identifier)
        return sorted(event.name for event in self.workspace.events() if event.cio_id == person.cio_id)


MakeWorld = Callable[..., World]


def awkward(**switches: Any) -> CustomerioSwitches:
    """Everything that is awkward, but nobody late and nobody left out by chance: tests say who."""
    chosen = CustomerioSwitches.awkward()
    plain = {"lagging_share": 0.0, "left_out_share": 0.0}
    for name, value in {**plain, "requests_per_second": None, "app_requests_per_second": None, **switches}.items():
        setattr(chosen, name, value)
    return chosen
