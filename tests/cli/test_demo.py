"""The demo proves itself; and its proof finds what is wrong."""

import html
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stripe_cio_pipeline.cli.demo import show_proof
from stripe_cio_pipeline.cli.demo_proof import Difference, Proof, prove, same
from stripe_cio_pipeline.cli.demo_stripe import Truth, read_truth
from stripe_cio_pipeline.cli.demo_truth import OneOf, expected_attributes, major
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sandbox.customerio.people import Person
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.terminal import Shown

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
ACTS = (
    "Starting the sandbox",
    "Reading Stripe",
    "Computing people",
    "Planning",
    "Sending to Customer.io",
    "Days pass",
    "Waiting until new links are settled",
    "Recomputing everything",
)


def words_of(picture: str) -> set[str]:
    """The lines of a picture, without numbers, which differ from life to life."""
    lines: dict[str, str] = {}
    for line, text in re.findall(r'clip-path="url\(#[\w-]*?line-(\d+)\)">([^<]*)</text>', picture):
        lines[line] = lines.get(line, "") + html.unescape(text)
    return {" ".join(re.sub(r"[\d,│]|cus_\w+", " ", line).split()) for line in lines.values()}


@pytest.mark.timeout(400)
def test_the_demo_runs_to_its_proof(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = os.environ.get("SCREENSHOTS")
    life = ("--customers", "1000", "--days", "7") if pictures else ("--customers", "20", "--days", "4")
    # A user's shell finds the program.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    shown = Shown("demo", *life)
    assert shown.exit_code == 0, shown.lines[-12:]
    told = shown.result
    assert told["proof"]["differences"] == []
    assert told["proof"]["people"] >= 15
    assert told["proof"]["linked_leads"] > 0
    first, *_, last = told["runs"]
    assert first["customerio"]["accepted"] == first["plan"]["identify"] > 0
    assert last["counted"] == {"stripe": 1, "customerio": 0}
    assert sum(run["plan"]["update"] for run in told["runs"]) > 0
    # One came by a webhook, which is no run.
    assert 1 < told["proof"]["events"] <= sum(run["events"]["accepted"] for run in told["runs"]) + 1
    assert 0 < told["event_to_person_seconds"] < 60
    assert [act for act in ACTS if not shown.saw(act)] == []
    assert shown.faults == []
    picture = shown.picture("stripe-cio demo", 100, since="4. ")
    if pictures:
        (PICTURE.parents[2] / pictures / PICTURE.name).write_text(picture, encoding="utf-8")
    told_last = [line for line in words_of(picture) if "stripe-cio" in line or "compared" in line or "✔" in line]
    assert len(told_last) > 8
    assert [line for line in told_last if line not in words_of(PICTURE.read_text(encoding="utf-8"))] == [], (
        "take the picture again: CONTRIBUTING.md says how"
    )
    monkeypatch.setenv("STRIPE_CIO_HOME", ".stripe_cio/demo")
    status = cli("status", "--json").json
    # Whoever listens looks once at whose clock it is.
    assert status["reads"]["used_30_days"] == sum(run["counted"]["stripe"] for run in told["runs"]) + 1
    assert {run["outcome"] for run in status["runs"]} == {"done"}
    assert "listen" in {run["kind"] for run in status["runs"]}


@pytest.fixture(scope="module")
def world() -> tuple[Truth, list[Person], set[str]]:
    """A Stripe with twelve customers, the people that they should be, and the emails that were leads."""
    with Sandbox(seed=5, customers=12, customerio=CustomerioSwitches.gentle()) as sandbox:
        truth = read_truth(sandbox)
        leads = {person.email for person in sandbox.customerio.people() if person.email}
        alone = sandbox.customerio.people()
    people = []
    for number, (id_, customer) in enumerate(truth.customers.items()):
        email = f"customer-{number}@example.com"
        truth.customers[id_] = {**customer, "email": email}
        wanted = {
            name: value.values[0] if isinstance(value, OneOf) else value
            for name, value in expected_attributes(truth, [id_], id_).items()
        }
        attributes = {name: value for name, value in wanted.items() if value is not None}
        phone = attributes.pop("phone", None)
        people.append(Person(f"cio{number}", id_, email, attributes, 0.0, phone))
    outsiders = [replace(person, email=f"lead-{number}@example.net") for number, person in enumerate(alone)]
    return truth, people + outsiders, leads


def proof_of(world: tuple[Truth, list[Person], set[str]], people: list[Person]) -> Proof:
    truth, _, leads = world
    return prove(truth, people, leads=leads, held={}, ever=set())


def test_right_people_prove_right(world) -> None:
    proof = proof_of(world, world[1])
    assert proof.holds, proof.differences
    assert proof.people == 12
    assert proof.values > 300


def test_one_wrong_value_is_found(world) -> None:
    truth, people, _ = world
    wrong = replace(people[3], attributes={**people[3].attributes, "mrr": 12.34})
    proof = proof_of(world, [*people[:3], wrong, *people[4:]])
    right = expected_attributes(truth, [str(wrong.id)], str(wrong.id))["mrr"]
    assert proof.differences == [Difference(str(wrong.id), "mrr", right, 12.34)]


def test_a_missing_person_is_found(world) -> None:
    people = world[1]
    assert [each.what for each in proof_of(world, people[1:]).differences] == ["is not in Customer.io"]


def test_a_duplicate_is_found(world) -> None:
    people = world[1]
    assert "is several people" in [each.what for each in proof_of(world, [*people, people[0]]).differences]


def test_a_lead_left_behind_is_found(world) -> None:
    people = world[1]
    lead = Person("cio99", None, people[0].email, {"source": "website"}, 0.0)
    assert [each.what for each in proof_of(world, [*people, lead]).differences] == [
        "has a lead with this email left behind"
    ]


def test_a_person_whom_stripe_does_not_know_is_found(world) -> None:
    people = world[1]
    stranger = replace(people[0], cio_id="cio98", id="cus_stranger", email="stranger@example.com")
    assert [each.what for each in proof_of(world, [*people, stranger]).differences] == [
        "is in Customer.io and no Stripe customer"
    ]


def test_a_lead_that_was_written_to_is_found(world) -> None:
    people = world[1]
    lead = Person("cio97", None, "lead@example.net", {"stripe_customer_id": "cus_x"}, 0.0)
    assert [each.what for each in proof_of(world, [*people, lead]).differences] == [
        "was written to and is no Stripe customer"
    ]


def test_differences_are_listed_and_end_with_exit_code_1(world, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    assert show_proof(output, proof_of(world, world[1])) == 0
    wrong = replace(world[1][0], attributes={**world[1][0].attributes, "plan": "Another"})
    assert show_proof(output, proof_of(world, [wrong, *world[1][1:]])) == 1
    told = capsys.readouterr().out
    assert str(wrong.id) in told
    assert "Another" in told


def test_nobody_at_all_is_no_proof() -> None:
    assert not Proof().holds


def test_of_payments_in_one_second_each_may_be_the_last(world) -> None:
    truth, people, _ = world
    paid = next(id_ for id_, charges in truth.charges.items() if any(each["status"] == "succeeded" for each in charges))
    last = max(
        (each for each in truth.charges[paid] if each["status"] == "succeeded"), key=lambda each: each["created"]
    )
    beside = {**last, "id": "ch_beside", "amount": last["amount"] + 700, "amount_captured": last["amount"] + 700}
    charges = {**truth.charges, paid: [*truth.charges[paid], beside]}
    person = next(each for each in people if each.id == paid)
    both = expected_attributes(replace(truth, charges=charges), [paid], paid)
    value = person.attributes["last_payment_amount"]
    assert same(both["last_payment_amount"], value)
    assert same(both["last_payment_amount"], value + major(700, last["currency"]))
    assert not same(both["last_payment_amount"], value + major(100, last["currency"]))


def test_who_was_deleted_before_the_first_sync_is_nobodys_in_the_proof_as_in_the_pipeline(tmp_path: Path) -> None:
    with Sandbox(seed=5, customers=0, customerio=CustomerioSwitches.gentle()) as sandbox:
        stripe = sandbox.stripe
        gone, owner, later = (stripe.create_customer(email="one@example.com")["id"] for _ in range(3))
        sandbox.clock.advance(days=1)
        stripe.delete_customer(gone)
        sandbox.clock.advance(days=1)
        installed = sandbox.clock.now()
        settings = Settings(_env_file=None, **{name.lower(): each for name, each in sandbox.environment().items()})
        warehouse, policy = Warehouse(tmp_path / "warehouse.duckdb"), Policy()
        extract(warehouse, settings, policy, run_id="first")
        stripe.delete_customer(later)
        sandbox.clock.advance(minutes=2)
        extract(warehouse, settings, policy, run_id="second")
        build(warehouse, policy, run_id="second")
        truth = read_truth(sandbox, since=installed)
    assert truth.customers.keys() == {owner, later}
    with warehouse.reading() as connection:
        found = connection.execute("select person_id, stripe_customer_ids from model.people").fetchall()
    assert found == [(owner, expected_attributes(truth, [owner, later], owner)["stripe_customer_ids"])]


def test_an_address_in_a_difference_is_masked(world) -> None:
    people = world[1]
    wrong = replace(people[0], email="other@example.com")
    found = [each for each in proof_of(world, [wrong, *people[1:]]).differences if each.what == "email"]
    assert [(each.expected, each.found) for each in found] == [("c…@example.com", "o…@example.com")]
