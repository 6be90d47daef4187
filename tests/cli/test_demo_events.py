"""The demo's proof for events finds what is missing, what came twice, what is wrong, and what is nobody's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stripe_cio_pipeline.cli.demo_events import prove_events
from stripe_cio_pipeline.cli.demo_proof import Difference, Proof
from stripe_cio_pipeline.cli.demo_stripe import Truth, read_truth
from stripe_cio_pipeline.event_types import DEFAULT_TYPES
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sandbox.customerio.events import Event
from stripe_cio_pipeline.sandbox.customerio.people import Person

Payload = dict[str, Any]


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Two customers, each with a charge."""
    with Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as sandbox:
        for number in (1, 2):
            customer = sandbox.stripe.create_customer(email=f"customer-{number}@example.com")
            sandbox.stripe.create_charge(customer["id"], amount=1_250)
        return read_truth(sandbox)


@pytest.fixture
def people(truth: Truth) -> list[Person]:
    return [
        Person(f"cio{number}", id_, f"customer-{number + 1}@example.com", {}, 0.0, None)
        for number, id_ in enumerate(truth.customers)
    ]


def told(truth: Truth) -> list[Payload]:
    """What Stripe told: an invoice in dinar, a dispute of which only the charge knows the customer, and an update."""
    first, second = truth.customers
    return [
        happened("invoice.paid", 100, object="invoice", customer=first, amount_paid=1_999, currency="kwd"),
        happened(
            "charge.dispute.created",
            101,
            object="dispute",
            charge=truth.charges[second][0]["id"],
            amount=1_250,
            currency="usd",
        ),
        happened("invoice.updated", 102, object="invoice", customer=first),
        happened("invoice.paid", 10, object="invoice", customer=first, amount_paid=1, currency="usd"),
    ]


def happened(kind: str, created: int, **subject: Any) -> Payload:
    return {"type": kind, "created": created, "data": {"object": subject}}


def sent(people: Sequence[Person]) -> list[Event]:
    first, second = people
    return [
        Event("invoice.paid", first.cio_id, first.id, None, 100, {"amount_paid": 1.999}),
        Event("charge.dispute.created", second.cio_id, second.id, None, 101, {"amount": 12.5}),
    ]


def differences(
    truth: Truth, people: list[Person], found: Sequence[Event], *, held: Sequence[str] = (), since: float = 50
) -> list[Difference]:
    proof = Proof()
    prove_events(proof, truth, told(truth), people, found, held=held, since=(50, since))
    return proof.differences


def test_right_events_prove_right(truth, people) -> None:
    proof = Proof()
    prove_events(proof, truth, told(truth), people, sent(people), held=(), since=(50, 50))
    assert (proof.events, proof.differences) == (2, [])


def test_an_event_that_is_missing_or_came_twice_is_found(truth, people) -> None:
    first, second = sent(people)
    assert differences(truth, people, [second]) == [
        Difference(str(people[0].id), "event invoice.paid of 100", [1.999], [])
    ]
    assert differences(truth, people, [first, second, second]) == [
        Difference(str(people[1].id), "event charge.dispute.created of 101", [12.5], [12.5, 12.5])
    ]


def test_an_event_with_a_wrong_amount_or_of_the_wrong_person_is_found(truth, people) -> None:
    first, second = sent(people)
    wrong = replace(first, attributes={"amount_paid": 19.99})
    assert differences(truth, people, [wrong, second]) == [
        Difference(str(people[0].id), "event invoice.paid of 100", [1.999], [19.99])
    ]
    elsewhere = replace(first, cio_id=people[1].cio_id, person_id=people[1].id)
    assert [each.person for each in differences(truth, people, [elsewhere, second])] == [each.id for each in people]


def test_an_event_that_nobody_asked_for_is_found(truth, people) -> None:
    stray = Event("invoice.updated", people[0].cio_id, people[0].id, None, 102, {})
    assert [each.what for each in differences(truth, people, [*sent(people), stray])] == [
        "has the event invoice.updated, which is nobody's"
    ]


def test_who_is_held_and_what_happened_during_the_first_sync_is_left_alone(truth, people) -> None:
    _, second = sent(people)
    assert differences(truth, people, [second], held=[str(people[0].id)]) == []
    assert differences(truth, people, [second], since=100) == []
    assert differences(truth, people, sent(people), since=100) == []


def test_the_proof_knows_every_type_that_is_forwarded_by_default(truth, people) -> None:
    first = people[0]
    for kind in DEFAULT_TYPES:
        (found,) = differences(truth, people, [*sent(people), Event(kind, first.cio_id, first.id, None, 777, {})])
        assert found.what == f"event {kind} of 777"
