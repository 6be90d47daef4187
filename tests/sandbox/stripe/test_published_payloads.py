"""Payloads that others published are served exactly as they are, and the client understands them."""

import json
from pathlib import Path
from typing import Any

import pytest
import stripe

from stripe_cio_pipeline.sandbox import StripeSwitches

DATA = Path(__file__).parents[2] / "data"
FIXTURES: dict[str, dict[str, Any]] = json.loads((DATA / "stripe-published-fixtures.json").read_text())
SEED_CUSTOMER: dict[str, Any] = json.loads((DATA / "seed-customer.json").read_text())
ADDRESSES = {
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "coupon": "coupons",
    "credit_note": "credit_notes",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "plan": "plans",
    "price": "prices",
    "product": "products",
    "promotion_code": "promotion_codes",
    "refund": "refunds",
    "subscription": "subscriptions",
}


@pytest.fixture
def published(start: Any) -> Any:
    api = start(switches=StripeSwitches(unscoped_payment_methods=True))
    wanted = [FIXTURES[name] for name in ADDRESSES]
    assert api.sandbox.stripe.load([*wanted, SEED_CUSTOMER, FIXTURES["account"]]) == len(ADDRESSES) + 2
    return api


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_fixture_is_served_by_id_and_in_its_list_unchanged(published: Any, name: str) -> None:
    path, payload = ADDRESSES[name], FIXTURES[name]
    assert published.get(f"{path}/{payload['id']}") == payload
    query = "status=all" if name == "subscription" else ""
    assert payload in published.get(path, f"limit=100&{query}")["data"]


def test_the_account_of_the_fixtures_takes_the_place_of_the_sandboxes_own(published: Any) -> None:
    assert published.get("account") == FIXTURES["account"]


def test_the_seed_customer_is_served_unchanged(published: Any) -> None:
    assert published.get(f"customers/{SEED_CUSTOMER['id']}") == SEED_CUSTOMER
    assert published.ids("customers", f"email={SEED_CUSTOMER['email']}") == [SEED_CUSTOMER["id"]]


def test_the_official_client_reads_every_fixture(published: Any) -> None:
    client = stripe.StripeClient(
        published.sandbox.stripe.restricted_key, base_addresses={"api": published.sandbox.stripe_url}
    )
    for name, path in ADDRESSES.items():
        answer = client.raw_request("get", f"/v1/{path}/{FIXTURES[name]['id']}")
        payload = json.loads(answer.body)
        assert payload == FIXTURES[name]
        assert client.deserialize(answer, api_mode="V1").to_dict()["id"] == payload["id"]


def test_a_deleted_fixture_is_only_served_by_id(empty: Any) -> None:
    empty.sandbox.stripe.load([FIXTURES["customer"]])
    empty.sandbox.stripe.load([FIXTURES["deleted_customer"]])
    assert empty.ids("customers") == []
    assert empty.get(f"customers/{FIXTURES['customer']['id']}") == FIXTURES["deleted_customer"]


def test_an_event_of_2009_is_loaded_but_too_old_to_be_listed(empty: Any) -> None:
    event = FIXTURES["event"]
    empty.sandbox.stripe.load([event, {**event, "id": "evt_new", "created": int(empty.sandbox.clock.now())}])
    assert empty.ids("events") == ["evt_new"]
    assert "aged out" in empty.refused("events", f"starting_after={event['id']}")[1]["message"]


def test_a_payload_without_type_or_id_is_refused(empty: Any) -> None:
    with pytest.raises(ValueError, match='needs an "object" and an "id"'):
        empty.sandbox.stripe.load([{"name": "nobody"}])
    with pytest.raises(ValueError, match="not served here"):
        empty.sandbox.stripe.load([{"object": "shoe", "id": "shoe_1"}])


def test_seeded_objects_have_the_top_level_fields_of_the_published_ones(lively: Any) -> None:
    """Fixtures are filled to the brim; what they have and we lack must be optional or gone in endive."""
    gone = {
        "subscription": {"billing_cycle_anchor_config", "next_pending_invoice_item_invoice"},
        "invoice": {"subscription"},
        "charge": {"refunds", "source"},
        "checkout.session": None,
    }
    for name in ("customer", "subscription", "invoice", "charge", "price", "product", "coupon", "payment_method"):
        ours = lively.get(ADDRESSES[name], "limit=1" + ("&customer=" + _owner(lively) if "method" in name else ""))
        lacking = set(FIXTURES[name]) - set(ours["data"][0]) - (gone.get(name) or set())
        assert lacking == set(), name


def _owner(api: Any) -> str:
    return str(next(iter(api.sandbox.stripe.objects("payment_method").values()))["customer"])
