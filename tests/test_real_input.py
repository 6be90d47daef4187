"""Payloads that nobody made up, through the whole pipeline: Stripe's published fixtures and Customer.io's own tutorial.

Served by the sandbox's Stripe as they are, extracted, modelled, delivered, and compared field by field in the sandbox's
Customer.io. tests/data/README.md says where each comes from. The recorded answers of the live Customer.io API are held
against the sandbox in tests/sandbox/customerio, and here against what the pipeline was given.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import DeliveryReport, deliver
from stripe_cio_pipeline.extract import ExtractReport, extract
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.plan import make_plan
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.warehouse import Warehouse

DATA = Path(__file__).parent / "data"
RECORDED = Path(__file__).parent / "sandbox" / "customerio" / "recorded"
FIXTURES: dict[str, Any] = json.loads((DATA / "stripe-published-fixtures.json").read_text(encoding="utf-8"))
TUTORIAL: dict[str, Any] = json.loads((DATA / "seed-customer.json").read_text(encoding="utf-8"))
POLICY = parse_policy({"guard": {"first_load": "send"}, "identity": {"settle_seconds": 0}})
TABLES = {
    "customers": "customer",
    "subscriptions": "subscription",
    "invoices": "invoice",
    "charges": "charge",
    "products": "product",
    "prices": "price",
    "coupons": "coupon",
}

#: A counter that moves without an event, which would make every other comparison of two payloads fail.
NOT_KEPT = {"customers": ("next_invoice_sequence",)}
#: A list gives these only where they are asked for.
ASKED_FOR = {
    "prices": {
        "tiers": None,
        "currency_options": {
            "usd": {
                "custom_unit_amount": FIXTURES["price"]["custom_unit_amount"],
                "tax_behavior": FIXTURES["price"]["tax_behavior"],
                "unit_amount": FIXTURES["price"]["unit_amount"],
                "unit_amount_decimal": FIXTURES["price"]["unit_amount_decimal"],
            }
        },
    },
    "coupons": {"applies_to": None, "currency_options": None},
}

#: Attributes that everybody has, whatever they bought.
NOTHING_BOUGHT = {
    "delinquent": False,
    "balance": 0,
    "mrr": 0,
    "lifetime_value": 0,
    "failed_payment_count": 0,
    "open_invoice_amount": 0,
    "stripe_livemode": False,
}


@dataclass(frozen=True, slots=True)
class Journey:
    """The whole way, gone once with everything and once more with nothing changed."""

    sandbox: Sandbox
    warehouse: Warehouse
    extracted: ExtractReport
    delivered: DeliveryReport
    again: DeliveryReport


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("journey")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as sandbox,
    ):
        monkeypatch.chdir(folder)
        sandbox.customerio.add_person(email=TUTORIAL["email"], attributes={"source": "website"})
        sandbox.stripe.load([TUTORIAL, *(payload for payload in FIXTURES.values() if not payload.get("deleted"))])
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        settings = load_settings()

        def tick(run_id: str) -> tuple[ExtractReport, DeliveryReport]:
            extracted = extract(warehouse, settings, POLICY, run_id=run_id)
            build(warehouse, POLICY, run_id=run_id)
            make_plan(warehouse, POLICY, run_id=run_id)
            return extracted, deliver(warehouse, settings, POLICY, run_id=run_id)

        extracted, delivered = tick("first")
        _, again = tick("second")
        yield Journey(sandbox, warehouse, extracted, delivered, again)


def test_the_customer_of_the_tutorial_becomes_the_lead_with_its_email(journey: Journey) -> None:
    people = [person for person in journey.sandbox.customerio.people() if person.email]
    assert [(person.id, person.email) for person in people] == [(TUTORIAL["id"], TUTORIAL["email"])]
    assert people[0].attributes == {
        **NOTHING_BOUGHT,
        "source": "website",
        "name": "Wile E Coyote",
        "created_at": 1680893993,
        "stripe_customer_id": "cus_NffrFeUfNV2Hib",
        "stripe_customer_ids": ["cus_NffrFeUfNV2Hib"],
    }


def test_the_published_customer_has_what_the_published_subscription_says(journey: Journey) -> None:
    person = journey.sandbox.customerio.person(id="cus_QXg1o8vcGmoR32")
    assert person is not None
    assert person.email is None, "the published customer has no email, so it is known by id alone"
    assert person.attributes == {
        **NOTHING_BOUGHT,
        "created_at": 1234567890,
        "stripe_customer_id": "cus_QXg1o8vcGmoR32",
        "stripe_customer_ids": ["cus_QXg1o8vcGmoR32"],
        "currency": "usd",
        "plan": "T-shirt",
        "plans": ["T-shirt"],
        "subscription_status": "active",
        "subscription_id": "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw",
        "subscriber_since": 1234567890,
        "quantity": 1,
        "billing_interval": "month",
        # 20.00 usd for every 1,592,560,163 units, rounded down: one unit costs nothing.
        "mrr": 0,
        "trial_ends_at": 1234567890,
        "current_period_ends_at": 976287773,
        "cancel_at_period_end": True,
        "cancels_at": 1234567890,
        "canceled_at": 1234567890,
        "collection_paused": True,
    }


@pytest.mark.parametrize("table", TABLES)
def test_a_payload_is_stored_as_it_was_served(journey: Journey, table: str) -> None:
    with journey.warehouse.reading() as connection:
        stored = dict(connection.execute(f"select id, payload from stripe.{table}").fetchall())
    published = FIXTURES[TABLES[table]]
    expected = {**without_secrets(published), **ASKED_FOR.get(table, {})}
    for name in NOT_KEPT.get(table, ()):
        del expected[name]
    assert without_secrets(json.loads(stored[published["id"]])) == expected
    assert '"client_secret":"client_secret' not in stored[published["id"]]


def test_every_object_was_read_and_none_twice(journey: Journey) -> None:
    assert {each.name: each.rows_total for each in journey.extracted.objects} == {
        "customers": 2,
        "subscriptions": 1,
        "invoices": 1,
        "charges": 1,
        "products": 1,
        "prices": 1,
        "coupons": 1,
        "disputes": 1,
        "credit_notes": 1,
        # The published one is open; what is not paid is not listed.
        "invoice_payments": 0,
    }


def test_both_people_were_accepted_and_then_nothing_was_sent(journey: Journey) -> None:
    assert (journey.delivered.accepted, journey.delivered.rejected) == (2, 0)
    assert (journey.again.requests, journey.again.planned) == (0, 0)


def test_the_batch_was_answered_as_the_live_one_was(journey: Journey) -> None:
    recorded = json.loads((RECORDED / "batch__success.json").read_text(encoding="utf-8"))["mocks"][0]
    counters = journey.sandbox.customerio.counters
    assert counters[f"{recorded['method']} {recorded['path']} {recorded['status']}"] == 1


def without_secrets(value: Any) -> Any:
    """Leave out what must not be stored."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items() if name != "client_secret"}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
