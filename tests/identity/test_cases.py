"""Every row of the table of cases in docs/identity.md, played from end to end: Stripe, warehouse, plan, Customer.io."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import deliver, forget, look_at_links, retry, verify
from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.plan import REASONS, make_plan
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.identity.living import awkward

PAGE = Path(__file__).parents[2] / "docs" / "identity.md"


@dataclass(frozen=True)
class Case:
    """A row of the table. Its people, emails and ids are its own, so that many cases share one account."""

    number: int
    title: str
    policy: str
    before: str
    steps: list[str]
    planned: str
    after: str

    def address(self, word: str) -> str | None:
        if word == "bad":
            return f"Somebody <bad@case-{self.number}.example.com>"
        return None if word == "none" else f"{word}@case-{self.number}.example.com"

    @property
    def phone(self) -> str:
        return f"+49151{self.number:08}"

    def own(self, name: str) -> str:
        """Give a name that no other case has: of a Stripe customer, or of an app's user."""
        return f"{name}.{self.number}"


def cases() -> list[Case]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| case |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        title, policy, before, steps, planned, after = (cell.strip() for cell in line.strip("|").split("|"))
        found.append(Case(len(found), title, policy, before, steps.split(" → "), planned, after))
    return found


def policies() -> list[str]:
    return sorted({case.policy for case in cases()})


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

    def now(self) -> float:
        return self.sandbox.clock.now()

    def before(self, case: Case) -> None:
        for person in filter(None, case.before.split(", ")):
            id_, email = person.split()
            known = {"email": case.address(email), "attributes": {"source": "app"}}
            self.sandbox.customerio.add_person(**({"id": case.own(id_)} if id_ != "?" else {}), **known)

    def change(self, case: Case, step: str) -> None:
        stripe, workspace = self.sandbox.stripe, self.sandbox.customerio
        for change in step.split(", "):
            self.sandbox.clock.advance(seconds=2)
            word, *words = change.split()
            name = case.own(word.strip("-!+~"))
            if word == "wait":
                continue
            if word in self.acts:
                self.acts[word](case, words)
                continue
            if word.startswith("-"):
                stripe.delete_customer(self.customers[name])
            elif word.startswith("!"):
                workspace.delete_person(id=self.customers[name])
            elif word.startswith("~"):
                email = self.email_of(self.customers[name])
                workspace.update_person(email=email, attributes={"email": case.address(words[0])})
            elif word.endswith("+"):
                stripe.update_customer(self.customers[name], name=f"changed in run {self.runs}")
            elif name in self.customers:
                stripe.update_customer(self.customers[name], email=case.address(words[0]))
            else:
                more: dict[str, Any] = {}
                for given in words[1:]:
                    more |= {"phone": case.phone} if given == "tel" else {"metadata": {"user": case.own(given)}}
                made = stripe.create_customer(email=case.address(words[0]), **more)
                self.customers[name] = made["id"]

    @property
    def acts(self) -> dict[str, Callable[[Case, list[str]], None]]:
        """What others do, by its word."""
        return {
            "late": lambda case, words: self.sandbox.customerio.switches.lags.update(
                {str(case.address(words[0])): 2 * 3600.0}
            ),
            "hours": lambda *_: self.wait(hours=7),
            "suppress": lambda case, words: self.sandbox.customerio.suppress(email=case.address(words[0])),
            "crm": lambda case, words: self.sandbox.customerio.write(
                {
                    "action": "identify",
                    "identifiers": {"id": case.own("crm")},
                    "attributes": {"email": case.address(words[0])},
                }
            ),
            "retry": lambda case, words: self.ask_again(self.customers[case.own(words[0])]),
            "forget": lambda case, words: self.forget(self.customers[case.own(words[0])]),
        }

    def wait(self, *, hours: float) -> None:
        self.sandbox.clock.advance(hours=hours)

    def ask_again(self, person: str) -> None:
        assert retry(self.warehouse, [person], now=self.now) > 0

    def forget(self, person: str) -> None:
        forget(self.warehouse, self.settings, self.policy, person, run_id="forget", now=self.now)

    def email_of(self, customer: str) -> str:
        return str((self.sandbox.stripe.object("customer", customer) or {})["email"])

    def sync(self) -> set[str]:
        """Sync once, and give what was planned as `name reason` lines."""
        # Stripe shows an event only some seconds after it happened.
        self.sandbox.clock.advance(seconds=60)
        self.runs += 1
        run = f"run-{self.runs}"
        extract(self.warehouse, self.settings, self.policy, run_id=run)
        build(self.warehouse, self.policy, run_id=run)
        look_at_links(self.warehouse, self.settings, self.policy, run_id=run, now=self.now)
        plan = make_plan(self.warehouse, self.policy, run_id=run, now=self.now, links_are_seen=True)
        with self.warehouse.reading() as connection:
            rows = connection.execute(
                "select person_id, reason, explanation from customerio.plan where action <> 'event'"
            ).fetchall()
        assert all(explanation for _, _, explanation in rows)
        counts = plan.counts
        assert counts.identify + counts.update + counts.delete + counts.suppress + counts.merge + counts.hold == len(
            rows
        )
        delivered = deliver(self.warehouse, self.settings, self.policy, run_id=run, now=self.now)
        assert delivered.due == 0
        # Verification grants two clocks five seconds of difference.
        self.sandbox.clock.advance(seconds=6)
        verify(self.warehouse, self.settings, self.policy, run_id=run, now=self.now)
        names = {customer: name for name, customer in self.customers.items()}
        return {f"{names[person]} {reason}" for person, reason, _ in rows}

    def people(self) -> set[str]:
        """Give everybody as `name email` lines, with `tel` behind them where they have a phone."""
        names = {customer: name for name, customer in self.customers.items()}
        return {
            f"{names.get(person.id, person.id) or '?'} {(person.email or 'none').lower()}" + " tel" * bool(person.phone)
            for person in self.sandbox.customerio.people()
        }


def told(case: Case, plans: list[set[str]]) -> str:
    """Give a case's part of each plan, in the words of the page."""
    own = f".{case.number} "
    mine = [{line.replace(own, " ") for line in plan if own in line} for plan in plans]
    if any("B email_swap" in plan for plan in mine):
        # Of two who swap their emails, the one with the smaller id goes first; the page calls that one A.
        mine = [{line.translate(str.maketrans("AB", "BA")) for line in plan} for plan in mine]
    return " → ".join(", ".join(sorted(plan)) or "nothing" for plan in mine)


def there(case: Case, people: set[str]) -> set[str]:
    """Give a case's people; who has neither an email nor an id of a case is nobody's and counts with all of them."""
    emails, own = f"@case-{case.number}.example.com", f".{case.number} "
    mine = {line for line in people if emails in line or own in line or line == "? none"}
    return {line.replace(own, " ").replace(emails, "") for line in mine}


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: policy.replace(" ", ",") or "default")
def test_the_cases_of_the_page_go_as_the_page_says(tmp_path: Path, policy: str) -> None:
    played = [case for case in cases() if case.policy == policy]
    plans: list[set[str]] = []
    people: dict[str, set[str]] = {}
    with Sandbox(seed=1, customers=0, customerio=awkward(), one_clock=True) as sandbox:
        world = World(sandbox, Warehouse(tmp_path / "warehouse.duckdb", lock_wait_seconds=5), policy_of(policy))
        for case in played:
            world.before(case)
        for step in range(max(len(case.steps) for case in played)):
            running = [case for case in played if step < len(case.steps)]
            for case in running:
                world.change(case, case.steps[step])
            plans.append(world.sync())
            seen = world.people()
            people |= {case.title: there(case, seen) for case in running}
    assert {case.title: told(case, plans[: len(case.steps)]) for case in played} == {
        case.title: case.planned for case in played
    }
    assert people == {case.title: set(filter(None, case.after.split(", "))) for case in played}


def test_every_reason_of_the_page_has_a_sentence() -> None:
    named = {
        line.split(" ")[1]
        for case in cases()
        for step in case.planned.split(" → ")
        for line in step.split(", ")
        if line != "nothing"
    }
    assert named <= set(REASONS)
