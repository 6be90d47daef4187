"""Every row of the table of cases in docs/identity.md, played from end to end: Stripe, warehouse, plan, Customer.io."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import deliver, verify
from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.plan import REASONS, make_plan
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse

PAGE = Path(__file__).parents[2] / "docs" / "identity.md"


def cases() -> list[Any]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| case |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found.append(pytest.param(*cells[1:], id=cells[0].replace(" ", "-")))
    return found


def policy_of(words: str) -> Policy:
    """As by default, but links settle at once, because the test says when Customer.io has applied everything."""
    identity: dict[str, Any] = {"settle_seconds": 0}
    for word in words.split():
        name, value = word.split("=")
        identity[name] = value
    return parse_policy(
        {
            "identity": identity,
            "guard": {"first_load": "send"},
            "customerio": {"requests_per_second": 1000},
            "stripe": {"monthly_reads": 1_000_000},
        }
    )


def address(word: str) -> str | None:
    return None if word == "none" else f"{word}@example.com"


@dataclass
class World:
    """An account, a workspace, and the pipeline between them, one room after the other."""

    sandbox: Sandbox
    warehouse: Warehouse
    policy: Policy
    customers: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        names = {name.lower(): value for name, value in self.sandbox.environment().items()}
        self.settings = Settings(_env_file=None, **names)  # type: ignore[arg-type,call-arg]

    def before(self, people: str) -> None:
        for person in filter(None, people.split(", ")):
            id_, email = person.split()
            known = {"email": address(email), "attributes": {"source": "app"}}
            self.sandbox.customerio.add_person(**({"id": id_} if id_ != "?" else {}), **known)

    def change(self, step: str) -> None:
        stripe = self.sandbox.stripe
        for change in step.split(", "):
            self.sandbox.clock.advance(seconds=2)
            if change == "wait":
                continue
            name, *words = change.split()
            if name.startswith("-"):
                stripe.delete_customer(self.customers[name[1:]])
            elif name.startswith("!"):
                self.sandbox.customerio.delete_person(id=self.customers[name[1:]])
            elif name.endswith("+"):
                stripe.update_customer(self.customers[name[:-1]], name=f"changed in run {self.runs}")
            elif name in self.customers:
                stripe.update_customer(self.customers[name], email=address(words[0]))
            else:
                metadata = {"user": words[1]} if len(words) > 1 else {}
                made = stripe.create_customer(email=address(words[0]), metadata=metadata)
                self.customers[name] = made["id"]
        # Stripe shows an event only some seconds after it happened.
        self.sandbox.clock.advance(seconds=60)

    def sync(self) -> set[str]:
        self.runs += 1
        run = f"run-{self.runs}"
        extract(self.warehouse, self.settings, self.policy, run_id=run)
        build(self.warehouse, self.policy, run_id=run)
        plan = make_plan(self.warehouse, self.policy, run_id=run)
        with self.warehouse.reading() as connection:
            rows = connection.execute("select person_id, reason, explanation from customerio.plan").fetchall()
        assert all(explanation for _, _, explanation in rows)
        counts = plan.counts
        assert counts.identify + counts.update + counts.delete + counts.suppress + counts.merge + counts.hold == len(
            rows
        )
        delivered = deliver(self.warehouse, self.settings, self.policy, run_id=run)
        assert delivered.due == 0
        self.sandbox.customerio.settle()
        verify(self.warehouse, self.settings, self.policy, run_id=run)
        if any(reason == "lead_merged" for _, reason, _ in rows):
            # The email that was refused is sent again, and verification grants two clocks five seconds of difference.
            time.sleep(5.5)
        names = {customer: name for name, customer in self.customers.items()}
        return {f"{names[person]} {reason}" for person, reason, _ in rows}

    def people(self) -> set[str]:
        names = {customer: name for name, customer in self.customers.items()}
        return {
            f"{names.get(person.id, person.id) or '?'} {(person.email or 'none').lower().split('@')[0]}"
            for person in self.sandbox.customerio.people()
        }


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Any]:
    with Sandbox(seed=1, customers=0) as sandbox:
        yield lambda policy: World(sandbox, Warehouse(tmp_path / "warehouse.duckdb", lock_wait_seconds=5), policy)


@pytest.mark.parametrize(("policy", "before", "steps", "planned", "after"), cases())
def test_a_case_of_the_page_goes_as_the_page_says(
    open_world, policy: str, before: str, steps: str, planned: str, after: str
) -> None:
    world = open_world(policy_of(policy))
    world.before(before)
    told = []
    for step in steps.split(" → "):
        world.change(step)
        told.append(", ".join(sorted(world.sync())) or "nothing")
    assert " → ".join(told) == planned
    assert world.people() == set(filter(None, after.split(", ")))


def test_every_reason_of_the_page_has_a_sentence() -> None:
    named = {
        line.split(" ")[1]
        for case in cases()
        for step in case.values[3].split(" → ")
        for line in step.split(", ")
        if line != "nothing"
    }
    assert named <= set(REASONS)
