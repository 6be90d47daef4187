"""Older API versions: answers to requests that name one, and events of accounts that have one."""

from typing import Any

import pytest

from stripe_cio_pipeline.sandbox import StripeSwitches

ACACIA, BASIL, CLOVER = "2025-02-24.acacia", "2025-08-27.basil", "2025-10-29.clover"
DAHLIA, ENDIVE = "2026-03-25.dahlia", "2026-10-28.endive"


@pytest.fixture
def subscribed(start: Any) -> Any:
    api = start()
    stripe = api.sandbox.stripe
    customer = stripe.create_customer(email="customer-1@example.com")["id"]
    coupon = stripe.create_coupon(percent_off=10.0)["id"]
    stripe.create_subscription(customer, coupon=coupon)
    return api


def one(api: Any, path: str, version: str, query: str = "") -> dict[str, Any]:
    (row,) = api.get(path, query, **{"Stripe-Version": version})["data"]
    return row  # type: ignore[no-any-return]


def test_the_period_moves_to_the_items_in_basil(subscribed: Any) -> None:
    old, new = one(subscribed, "subscriptions", ACACIA), one(subscribed, "subscriptions", BASIL)
    item = new["items"]["data"][0]
    assert old["current_period_end"] == item["current_period_end"]
    assert "current_period_end" not in old["items"]["data"][0]
    assert "current_period_end" not in new
    assert old["discount"]["coupon"]["percent_off"] == 10.0
    assert "billing_mode" not in old
    assert "discount" not in new


def test_invoices_lose_their_charge_and_gain_a_parent_in_basil(subscribed: Any) -> None:
    old, new = one(subscribed, "invoices", ACACIA), one(subscribed, "invoices", BASIL)
    assert new["parent"]["subscription_details"]["subscription"] == old["subscription"]
    assert (old["paid"], old["charge"][:3], old["payment_intent"][:3]) == (True, "ch_", "pi_")
    assert not {"paid", "charge", "payment_intent", "subscription"} & set(new)
    assert not {"parent", "total_taxes", "amount_overpaid"} & set(old)
    line_old, line_new = old["lines"]["data"][0], new["lines"]["data"][0]
    assert line_old["price"]["id"] == line_new["pricing"]["price_details"]["price"] == line_old["plan"]["id"]
    assert (line_old["type"], line_old["proration"]) == ("subscription", False)
    assert "parent" not in line_old
    charge = one(subscribed, "charges", ACACIA)
    assert charge["invoice"] == old["id"]
    assert "invoice" not in one(subscribed, "charges", BASIL)


def test_old_fields_can_be_expanded_in_the_old_version(subscribed: Any) -> None:
    row = one(subscribed, "invoices", ACACIA, "expand[]=data.subscription&expand[]=data.charge")
    assert row["subscription"]["object"] == "subscription"
    assert "current_period_end" in row["subscription"]
    assert row["charge"]["invoice"] == row["id"]
    assert subscribed.refused("invoices", "expand[]=data.charge", **{"Stripe-Version": ENDIVE})[0] == 400


def test_the_coupon_of_a_discount_moves_in_clover(subscribed: Any) -> None:
    old = one(subscribed, "subscriptions", BASIL, "expand[]=data.discounts")["discounts"][0]
    new = one(subscribed, "subscriptions", CLOVER, "expand[]=data.discounts")["discounts"][0]
    assert old["coupon"]["id"] == new["source"]["coupon"]
    assert "source" not in old
    assert "business_name" in one(subscribed, "customers", CLOVER)
    assert "business_name" not in one(subscribed, "customers", BASIL)


def test_accounts_as_customers_appear_in_dahlia_and_status_details_in_endive(subscribed: Any) -> None:
    assert "customer_account" in one(subscribed, "subscriptions", DAHLIA)
    assert "customer_account" not in one(subscribed, "subscriptions", CLOVER)
    assert "status_details" in one(subscribed, "subscriptions", ENDIVE)
    assert "status_details" not in one(subscribed, "subscriptions", DAHLIA)


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        (ACACIA, "current_period_end", "billing_mode"),
        (BASIL, "billing_mode", "customer_account"),
        (DAHLIA, "customer_account", "status_details"),
        (ENDIVE, "status_details", "current_period_end"),
    ],
)
def test_events_keep_the_accounts_version_whatever_the_request_names(
    start: Any, version: str, has: str, has_not: str
) -> None:
    api = start(switches=StripeSwitches(api_version=version, late_events_share=0.0))
    stripe = api.sandbox.stripe
    stripe.create_subscription(stripe.create_customer()["id"])
    (event,) = api.get("events", "type=customer.subscription.created", **{"Stripe-Version": ENDIVE})["data"]
    assert event["api_version"] == version
    assert has in event["data"]["object"]
    assert has_not not in event["data"]["object"]
    stripe.switches.api_version = ENDIVE
    assert api.get(f"events/{event['id']}") == event


def test_without_a_version_the_accounts_own_answers(start: Any) -> None:
    api = start(switches=StripeSwitches(api_version=ACACIA))
    stripe = api.sandbox.stripe
    stripe.create_subscription(stripe.create_customer()["id"])
    answer = api.ask("subscriptions")
    assert answer.headers["stripe-version"] == ACACIA
    assert "current_period_end" in answer.json()["data"][0]


@pytest.mark.parametrize("version", ["endive", "2026-10-28.fennel", "2024-01-01.endive", "yesterday"])
def test_a_version_that_does_not_exist_is_refused(empty: Any, version: str) -> None:
    assert empty.refused("customers", **{"Stripe-Version": version})[0] == 400
