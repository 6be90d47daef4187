"""Guests: an event that names no customer, from Stripe to whoever has the guest's email, or to a reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_cio_pipeline.sandbox import Sandbox
from tests.cli.conftest import POLICY, first_life, lived_on
from tests.snapshots import Snapshot


@pytest.fixture(scope="module")
def past(cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Snapshot, str]]:
    """The event of a guest's refund, in an installation that was synced before."""
    with first_life(tmp_path_factory.mktemp("past"), POLICY) as (sandbox, take):
        sandbox.stripe.create_customer(email="customer-1@example.com")
        sandbox.clock.advance(hours=1)
        assert cli("sync").exit_code == 0
        charge = sandbox.stripe.create_charge(amount=1_250, email="Guest-1@example.com")
        sandbox.stripe.refund(charge["id"], 250)
        sandbox.clock.advance(minutes=2)
        refund = next(event["id"] for event in sandbox.stripe.events() if event["type"] == "charge.refunded")
        yield take(), refund


@pytest.fixture
def sandbox(past: tuple[Snapshot, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Both sides as they are then, and the home folder here."""
    with lived_on(past[0], monkeypatch) as made:
        yield made


@pytest.fixture
def refunded(past: tuple[Snapshot, str], sandbox: Sandbox) -> str:
    """The event's id."""
    return past[1]


def guests_by_email() -> None:
    Path("stripe_cio.yaml").write_text(POLICY + "\nevents: {guests: email}\n")


def test_a_guests_event_is_counted_in_the_plan_in_status_and_in_explain(cli, sandbox: Sandbox, refunded: str) -> None:
    answer = cli("sync", "--json")
    assert answer.exit_code == 0
    assert answer.json["plan"]["by_reason"]["event_of_guest"] == answer.json["plan"]["skipped_events"] == 1
    assert "1 event not forwarded (event_of_guest)" in answer.words
    assert cli("status", "--json").json["events"]["skipped: event_of_guest"] == 1
    told = cli("explain", refunded)
    assert told.exit_code == 0
    assert f"{refunded}: skipped" in told.words
    assert "Somebody paid as a guest" in told.words
    assert "charge.refunded" in told.out
    assert cli("sync", "--json").json["plan"]["skipped_events"] == 0
    assert {event.name for event in sandbox.customerio.events()} <= {"customer.created"}


def test_a_lead_gets_the_events_of_a_guest_with_their_email_and_nobody_is_made(
    cli, sandbox: Sandbox, refunded: str
) -> None:
    guests_by_email()
    sandbox.customerio.add_person(email="guest-1@example.com", attributes={"source": "website"})
    people = sandbox.customerio.people()
    assert cli("sync", "--json").json["plan"]["by_reason"] == {"event_of_sought_guest": 1}
    answer = cli("sync", "--json")
    assert answer.json["plan"]["event"] == answer.json["events"]["accepted"] == 1
    (event,) = (event for event in sandbox.customerio.events() if event.name == "charge.refunded")
    (lead,) = (person for person in people if person.email == "guest-1@example.com")
    assert event.cio_id == lead.cio_id
    assert event.attributes["refund_amount"] == 2.5
    assert sandbox.customerio.people() == people
    last = cli("sync", "--json")
    assert last.json["customerio"]["requests"] == 0


def test_a_guest_whom_customerio_does_not_know_is_counted_and_not_made(cli, sandbox: Sandbox, refunded: str) -> None:
    guests_by_email()
    people = len(sandbox.customerio.people())
    cli("sync")
    answer = cli("sync", "--json")
    assert answer.json["plan"]["by_reason"] == {"event_of_unknown_guest": 1}
    assert len(sandbox.customerio.people()) == people
    assert "nobody with that email is known" in cli("explain", refunded).words


def test_without_the_app_key_nobody_can_be_looked_for(
    cli, sandbox: Sandbox, refunded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests_by_email()
    sandbox.customerio.add_person(email="guest-1@example.com")
    monkeypatch.delenv("CUSTOMERIO_APP_API_KEY")
    cli("sync")
    assert cli("sync", "--json").json["plan"]["by_reason"] == {"event_of_unknown_guest": 1}
    assert "charge.refunded" not in {event.name for event in sandbox.customerio.events()}


def test_an_event_of_somebody_who_came_and_went_is_counted_and_waits_for_nobody(cli, empty_sandbox: Sandbox) -> None:
    empty_sandbox.stripe.switches.duplicate_events_share = 0
    Path("stripe_cio.yaml").write_text(POLICY)
    assert cli("sync").exit_code == 0
    customer = empty_sandbox.stripe.create_customer(email="customer-1@example.com")["id"]
    empty_sandbox.stripe.delete_customer(customer)
    empty_sandbox.clock.advance(minutes=2)
    answer = cli("sync", "--json")
    assert answer.json["plan"]["by_reason"] == {"event_of_deleted_customer": 1}
    assert "1 event not forwarded (event_of_deleted_customer)" in answer.words
    assert cli("status", "--json").json["events"] == {"skipped: event_of_deleted_customer": 1}
    (told,) = cli("explain", customer, "--json").json["events"]
    assert (told["name"], told["state"], told["reason"]) == ("customer.created", "skipped", "event_of_deleted_customer")
    assert cli("sync", "--json").json["plan"]["by_reason"] == {}
    assert empty_sandbox.customerio.events() == []
