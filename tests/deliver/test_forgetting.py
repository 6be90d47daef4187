"""Forgetting somebody whom Customer.io never took, a guest, and somebody of whom Stripe tells meanwhile."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import ForgetReport, forget, forgetting
from stripe_cio_pipeline.errors import GuardStop, PipelineError, WarehouseFull
from stripe_cio_pipeline.extract import extract, reconcile
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync import SyncOutcome, sync_once
from stripe_cio_pipeline.warehouse import Warehouse
from tests.deliver.conftest import QUICK
from tests.kept_open import kept_open
from tests.traces import traces

#: Other connections look into the file after each act.
pytestmark = pytest.mark.file_is_shared

EMAIL = "zanzibar-7@example.com"
WORDS = ("zanzibar-7", "Quetzal", "8675309", "Mulberry")
TOLD: dict[str, Any] = {
    "email": EMAIL,
    "name": "Quetzal Wunderlich",
    "phone": "+49 171 8675309",
    "address": {"line1": "Mulberry Crescent 12", "country": "DE"},
}
#: Somebody else, whose address ends in the same way.
OTHER = "anzanzibar-7@example.com"


class Office:
    """A sandbox, a home folder, and the acts as methods."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sandbox = Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle())
        self.warehouse = Warehouse(home / "warehouse.duckdb")
        self.sections: dict[str, Any] = {"identity": {"settle_seconds": 0}}

    @property
    def policy(self) -> Policy:
        paces = {"stripe": {"limits": {"endpoint": 500, "account": 2000}}, "customerio": {"requests_per_second": 1000}}
        return parse_policy({**paces, **self.sections})

    @property
    def settings(self) -> Settings:
        names = {name.lower(): value for name, value in self.sandbox.environment().items()}
        return Settings(_env_file=None, **names)  # type: ignore[arg-type,call-arg]

    def sync(self, **more: Any) -> SyncOutcome:
        self.sandbox.clock.advance(hours=1)
        with kept_open():
            return sync_once(self.settings, self.policy, warehouse=self.warehouse, **more)

    def sync_to_the_guard(self) -> None:
        with pytest.raises(GuardStop):
            self.sync()

    def reconcile(self) -> None:
        with kept_open():
            reconcile(self.warehouse, self.settings, self.policy, run_id="reconcile")

    def forget(self, person: str) -> ForgetReport:
        with kept_open():
            return forget(self.warehouse, self.settings, self.policy, person, run_id="forget", patience=QUICK)

    def traces(self) -> list[str]:
        return traces(self.home, WORDS)

    def emails(self) -> list[str]:
        return sorted(str(person.email) for person in self.sandbox.customerio.people())

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(statement, list(parameters)).fetchall()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    with made.sandbox:
        yield made


def test_somebody_who_was_planned_and_never_sent_leaves_no_byte(office: Office) -> None:
    stripe = office.sandbox.stripe
    customer = stripe.create_customer(**TOLD)["id"]
    stripe.attach_card(customer)
    subscription = stripe.create_subscription(customer)
    stripe.create_customer(email="other@example.com")
    office.sync_to_the_guard()
    assert office.traces()

    report = office.forget(EMAIL)

    assert report == ForgetReport(customer, True, 0)
    assert office.traces() == []
    # Stripe tells of them again, by an event, by a comparison and by everything read anew, and all is let through.
    stripe.update_customer(customer, name=TOLD["name"])
    stripe.fail_payment(subscription["id"])
    office.sync(approve=True)
    office.reconcile()
    office.sync(approve=True, full=True)
    assert office.traces() == []
    assert office.emails() == ["other@example.com"]
    # Whoever comes with this email later is not sent either, and another with one like it is.
    stripe.create_customer(email=EMAIL)
    stripe.create_customer(email=OTHER)
    office.sync(approve=True)
    assert office.emails() == [OTHER, "other@example.com"]


def test_a_lead_whom_a_lost_answer_may_have_linked_is_removed_in_customerio(office: Office) -> None:
    office.sandbox.customerio.add_person(email=EMAIL, attributes={"source": "website"})
    customer = office.sandbox.stripe.create_customer(**TOLD)["id"]
    office.sync_to_the_guard()

    assert office.forget(customer).suppressed

    assert office.emails() == []


def test_a_lead_whose_link_is_still_late_is_removed_too(office: Office) -> None:
    workspace = office.sandbox.customerio
    workspace.add_person(email=EMAIL, attributes={"source": "website"})
    customer = office.sandbox.stripe.create_customer(**TOLD)["id"]
    office.sandbox.stripe.create_customer(email=OTHER)
    # What names them by the email is late, what names them by the id is not: so the id alone is too early.
    workspace.switches = replace(workspace.switches, lags={EMAIL: 12 * 3600})
    office.sync(approve=True)
    assert office.ask("select state from customerio.people where person_id = ?", customer) == [("linking",)]

    assert office.forget(customer).suppressed

    office.sandbox.clock.advance(hours=24)
    assert office.emails() == [OTHER]
    assert workspace.is_suppressed(id=customer)
    assert workspace.is_suppressed(email=EMAIL)


def test_whoever_joined_the_person_with_a_profile_of_their_own_goes_with_them(office: Office) -> None:
    stripe = office.sandbox.stripe
    first = stripe.create_customer(email="other@example.com", name="Quetzal Other")["id"]
    second = stripe.create_customer(**TOLD)["id"]
    office.sync(approve=True)
    office.sync(approve=True)
    stripe.update_customer(first, email=EMAIL)
    office.sync(approve=True)
    assert {person.id for person in office.sandbox.customerio.people()} == {first, second}
    assert office.ask("select person_id, reason from customerio.plan") == [(first, "joined_another_person")]

    office.forget(first)

    assert office.sandbox.customerio.people() == []
    assert office.traces() == []
    assert office.ask("select distinct state, reason from customerio.people") == [("suppressed", "forgotten")]


def test_nothing_is_sent_where_customerio_has_no_name_for_them(office: Office) -> None:
    office.sections["identity"] = {"strategy": "metadata", "metadata_key": "user_id", "settle_seconds": 0}
    customer = office.sandbox.stripe.create_customer(**TOLD)["id"]
    # Somebody of another system's with this email: not ours to remove.
    office.sandbox.customerio.add_person(email=EMAIL, id="user-1")
    with suppress(GuardStop):
        office.sync()

    assert office.forget(customer) == ForgetReport(customer, False, 0)

    assert office.traces() == []
    assert office.emails() == [EMAIL]
    assert office.forget(customer) == ForgetReport(customer, False, 0)  # twice does no harm


@pytest.mark.parametrize("guests", ["skip", "email"])
def test_a_guest_leaves_no_byte_and_whoever_has_a_longer_address_stays(office: Office, guests: str) -> None:
    office.sections |= {"events": {"guests": guests, "since": "2020-01-01T00:00:00Z"}, "guard": {"first_load": "send"}}
    stripe = office.sandbox.stripe
    charge = stripe.create_charge(amount=700, email=EMAIL)
    stripe.refund(charge["id"], 200)
    stripe.refund(stripe.create_charge(amount=900, email=OTHER)["id"])
    office.sync()
    assert office.traces()

    report = office.forget(EMAIL.upper())

    assert report.person_id.startswith("guest_")
    # The longer address has this one in it, so the quotation mark before it is looked for too.
    assert traces(office.home, [f'"{EMAIL}']) == []
    office.reconcile()
    stripe.refund(charge["id"], 100)
    office.sync(full=True)
    assert traces(office.home, [f'"{EMAIL}']) == []
    assert office.ask("select count(*) from model.events where guest_email = ?", EMAIL) == [(0,)]
    assert office.ask("select count(*) > 0 from stripe.charges where contains(payload::varchar, ?)", OTHER) == [(True,)]
    with pytest.raises(PipelineError, match="Nobody in the warehouse is known by this email"):
        office.forget(EMAIL)


@pytest.mark.parametrize("on_delete", ["delete", "suppress", "keep"])
def test_a_deletion_in_stripe_empties_who_was_never_sent_where_the_policy_removes(
    office: Office, on_delete: str
) -> None:
    office.sections["identity"] = {"on_delete": on_delete, "settle_seconds": 0}
    customer = office.sandbox.stripe.create_customer(**TOLD)["id"]
    office.sandbox.stripe.create_customer(email="other@example.com")
    office.sync_to_the_guard()
    office.sandbox.stripe.delete_customer(customer)

    office.sync(approve=True)

    assert bool(office.traces()) == (on_delete == "keep")
    assert office.emails() == ["other@example.com"]


def test_what_a_run_had_read_before_is_not_brought_back_by_it(office: Office) -> None:
    customer = office.sandbox.stripe.create_customer(**TOLD)["id"]
    office.sandbox.stripe.attach_card(customer)
    office.sandbox.clock.advance(hours=1)
    noted: list[object] = []

    def forget_meanwhile(note: object) -> None:
        if not noted:
            with office.warehouse.transaction() as connection:
                connection.execute(
                    "insert into pipeline.forgotten values (?, ?, now()::timestamp)", [customer, customer]
                )
        noted.append(note)

    extract(office.warehouse, office.settings, office.policy, run_id="run-1", progress=forget_meanwhile)

    assert noted
    assert office.ask("select id from stripe.customers") == [(customer,)]
    assert office.traces() == []


def test_a_forgetting_that_was_cut_off_is_finished_by_the_next_sync(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.sections["guard"] = {"first_load": "send"}
    customer = office.sandbox.stripe.create_customer(**TOLD)["id"]
    office.sync()

    def full(_: Warehouse) -> None:
        raise WarehouseFull("The disk is full.", "Make room.")

    monkeypatch.setattr(forgetting, "rewrite", full)
    with pytest.raises(WarehouseFull):
        office.forget(customer)
    monkeypatch.undo()
    assert office.traces()

    office.sync()

    assert office.traces() == []
