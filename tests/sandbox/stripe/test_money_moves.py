"""Money that moves in other ways than by charging a card, as Stripe's pages tell it (docs/sandbox.md names them)."""

from typing import Any

import pytest


@pytest.fixture
def stripe(empty: Any) -> Any:
    return empty.sandbox.stripe


def subscribed(stripe: Any, **given: Any) -> dict[str, Any]:
    customer = stripe.create_customer(email="customer-1@example.com")["id"]
    return stripe.create_subscription(customer, **given)


def open_invoice(stripe: Any) -> str:
    subscription = subscribed(stripe)
    return stripe.fail_payment(subscription["id"])["id"]


def types_since(stripe: Any, before: list[dict[str, Any]]) -> list[str]:
    known = {event["id"] for event in before}
    return sorted(event["type"] for event in stripe.events() if event["id"] not in known)


def moved(dispute: dict[str, Any]) -> list[int]:
    return [each["amount"] for each in dispute["balance_transactions"]]


def test_an_inquiry_moves_no_money_until_it_becomes_a_dispute(empty: Any, stripe: Any) -> None:
    charge = stripe.create_charge(stripe.create_customer()["id"], 5_000)["id"]
    before = stripe.events()
    inquiry = stripe.dispute(charge, inquiry=True)
    assert (inquiry["status"], moved(inquiry)) == ("warning_needs_response", [])
    assert types_since(stripe, before) == ["charge.dispute.created", "charge.updated"]
    assert empty.get(f"charges/{charge}")["disputed"] is True
    assert stripe.close_dispute(inquiry["id"])["status"] == "warning_closed"
    assert moved(empty.get(f"disputes/{inquiry['id']}")) == []
    other = stripe.dispute(stripe.create_charge(stripe.create_customer()["id"], 5_000)["id"], inquiry=True)
    assert moved(stripe.escalate_dispute(other["id"])) == [-5_000]


def test_a_dispute_of_a_part_takes_that_part_and_gives_it_back_when_it_is_won(empty: Any, stripe: Any) -> None:
    won = stripe.dispute(stripe.create_charge(stripe.create_customer()["id"], 5_000)["id"], amount=2_000)
    assert (won["amount"], moved(won)) == (2_000, [-2_000])
    stripe.close_dispute(won["id"], won=True)
    assert moved(empty.get(f"disputes/{won['id']}")) == [-2_000, 2_000]
    lost = stripe.dispute(stripe.create_charge(stripe.create_customer()["id"], 5_000)["id"])
    stripe.close_dispute(lost["id"])
    assert moved(empty.get(f"disputes/{lost['id']}")) == [-5_000]
    assert empty.get(f"disputes/{lost['id']}")["status"] == "lost"


def test_what_is_held_and_not_captured_counts_as_refunded(empty: Any, stripe: Any) -> None:
    """Case 16: 100 authorized, 60 captured."""
    held = stripe.authorize(stripe.create_customer()["id"], 10_000)
    assert (held["captured"], held["amount_captured"]) == (False, 0)
    [told] = [event["data"]["object"] for event in stripe.events() if event["type"] == "charge.succeeded"]
    assert (told["captured"], told["amount_captured"]) == (False, 0)
    assert empty.get(f"payment_intents/{held['payment_intent']}")["status"] == "requires_capture"
    stripe.capture(held["id"], 6_000)
    charge = empty.get(f"charges/{held['id']}")
    assert (charge["amount"], charge["amount_captured"], charge["amount_refunded"]) == (10_000, 6_000, 4_000)
    assert charge["refunded"] is False
    stripe.refund(held["id"])
    assert empty.get(f"charges/{held['id']}")["amount_refunded"] == 10_000


def test_a_part_payment_outside_is_told_by_its_own_event_alone(empty: Any, stripe: Any) -> None:
    """Case 17."""
    invoice = open_invoice(stripe)
    before = stripe.events()
    stripe.pay_outside(invoice, 500)
    assert types_since(stripe, before) == ["invoice_payment.paid"]
    found = empty.get(f"invoices/{invoice}", "expand[]=payments")
    assert (found["status"], found["amount_paid"], found["amount_remaining"]) == ("open", 500, 1_500)
    assert found["amount_paid_off_stripe"] == 500
    assert [row["payment"]["type"] for row in found["payments"]["data"]] == ["payment_intent", "payment_record"]
    stripe.pay_invoice(invoice)
    paid = empty.get("invoice_payments", f"invoice={invoice}&status=paid")["data"]
    assert sorted(row["amount_paid"] for row in paid) == [500, 1_500]


def test_an_invoice_that_is_paid_outside_to_its_end_is_paid(empty: Any, stripe: Any) -> None:
    invoice = open_invoice(stripe)
    assert stripe.pay_outside(invoice, 2_000)["status"] == "paid"
    assert "invoice.paid" in [event["type"] for event in stripe.events()]


def test_a_credit_note_says_where_the_money_went(empty: Any, stripe: Any) -> None:
    subscription = subscribed(stripe)
    before = stripe.events()
    note = stripe.credit_invoice(subscription["latest_invoice"], outside=400)
    assert types_since(stripe, before) == ["credit_note.created"]
    assert (note["amount"], note["out_of_band_amount"], note["refunds"]) == (400, 400, [])
    balance = stripe.credit_invoice(subscription["latest_invoice"], to_balance=300)
    assert balance["out_of_band_amount"] is None
    assert empty.get(f"customers/{subscription['customer']}")["balance"] == -300
    refunded = stripe.credit_invoice(subscription["latest_invoice"], refund=200)
    assert [row["amount_refunded"] for row in refunded["refunds"]] == [200]
    assert empty.get(f"invoices/{subscription['latest_invoice']}")["post_payment_credit_notes_amount"] == 900
    assert [row["id"] for row in empty.get("credit_notes")["data"]] == [refunded["id"], balance["id"], note["id"]]


def test_a_debit_under_way_leaves_its_invoice_open_with_an_attempt(empty: Any, stripe: Any) -> None:
    """Case 07."""
    invoice = open_invoice(stripe)
    tried = empty.get(f"invoices/{invoice}")["attempt_count"]
    charge = stripe.debit_invoice(invoice)
    assert (charge["status"], charge["paid"], charge["payment_method_details"]["type"]) == (
        "pending",
        False,
        "sepa_debit",
    )
    found = empty.get(f"invoices/{invoice}")
    assert (found["status"], found["attempt_count"], found["next_payment_attempt"]) == ("open", tried + 1, None)
    stripe.settle_debit(charge["id"])
    assert empty.get(f"invoices/{invoice}")["status"] == "paid"
    other = open_invoice(stripe)
    stripe.settle_debit(stripe.debit_invoice(other)["id"], paid=False)
    assert empty.get(f"invoices/{other}")["status"] == "open"
    assert empty.get(f"invoices/{other}")["next_payment_attempt"] is not None


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")]
)
def test_nothing_is_collected_while_collection_is_paused(empty: Any, stripe: Any, behavior: str, status: str) -> None:
    subscription = subscribed(stripe)
    now = int(empty.sandbox.clock.now())
    stripe.update_subscription(
        subscription["id"], pause_collection={"behavior": behavior, "resumes_at": now + 40 * 86_400}
    )
    empty.sandbox.clock.advance(days=33)
    found = empty.get(f"subscriptions/{subscription['id']}", "expand[]=latest_invoice")
    assert (found["status"], found["latest_invoice"]["status"]) == ("active", status)
    empty.sandbox.clock.advance(days=33)
    found = empty.get(f"subscriptions/{subscription['id']}", "expand[]=latest_invoice")
    assert (found["pause_collection"], found["latest_invoice"]["status"]) == (None, "paid")


def test_a_cancellation_in_flexible_billing_sets_the_moment_alone(empty: Any, stripe: Any) -> None:
    """Case 05."""
    subscription = subscribed(stripe, flexible=True)
    end = subscription["items"]["data"][0]["current_period_end"]
    canceled = stripe.cancel_subscription(subscription["id"], at_period_end=True)
    assert (canceled["cancel_at_period_end"], canceled["cancel_at"]) == (False, end)
    empty.sandbox.clock.advance(days=32)
    assert empty.get(f"subscriptions/{subscription['id']}")["status"] == "canceled"


def test_a_tax_that_prices_include_stands_in_the_line(empty: Any, stripe: Any) -> None:
    """Case 12: 12.00 with 20 % inside are 10.00 and 2.00."""
    price = stripe.create_price(unit_amount=1_200, tax_behavior="inclusive")["id"]
    subscription = subscribed(stripe, price=price, tax_inside=20.0)
    (rate,) = subscription["default_tax_rates"]
    assert (rate["inclusive"], rate["percentage"]) == (True, 20.0)
    invoice = empty.get(f"invoices/{subscription['latest_invoice']}")
    (tax,) = invoice["lines"]["data"][0]["taxes"]
    assert (tax["amount"], tax["taxable_amount"], tax["tax_behavior"]) == (200, 1_000, "inclusive")
    assert invoice["amount_due"] == 1_200


def test_a_free_subscription_stands_beside_a_paid_one(empty: Any, stripe: Any) -> None:
    """Case 18."""
    paid = subscribed(stripe)
    free = stripe.create_subscription(paid["customer"], price=stripe.create_price(unit_amount=0)["id"])
    assert {row["status"] for row in empty.get("subscriptions", f"customer={paid['customer']}")["data"]} == {"active"}
    assert empty.get(f"invoices/{free['latest_invoice']}")["amount_due"] == 0


def test_a_price_is_billed_in_another_currency_that_it_has(empty: Any, stripe: Any) -> None:
    """Cases 01, 02, 10: the amount, the coupon and the tiers are those of the currency that is billed."""
    coupon = stripe.create_coupon(amount_off=500, currency="usd", currency_options={"eur": {"amount_off": 450}})["id"]
    tiers = [
        {"up_to": 5, "unit_amount": 1_000, "flat_amount": None},
        {"up_to": None, "unit_amount": 800, "flat_amount": None},
    ]
    euros = [
        {"up_to": 5, "unit_amount": 900, "flat_amount": None},
        {"up_to": None, "unit_amount": 700, "flat_amount": None},
    ]
    price = stripe.create_price(tiers=tiers, tiers_mode="volume", currency_options={"eur": {"tiers": euros}})["id"]
    subscription = subscribed(stripe, price=price, quantity=3, currency="eur", coupon=coupon)
    invoice = empty.get(f"invoices/{subscription['latest_invoice']}")
    assert (invoice["currency"], invoice["subtotal"], invoice["total"]) == ("eur", 2_700, 2_250)


def test_an_amount_off_some_products_takes_no_more_than_these_cost(empty: Any, stripe: Any) -> None:
    """Case 09."""
    small = stripe.create_price(unit_amount=1_000)
    coupon = stripe.create_coupon(amount_off=2_000, currency="usd", applies_to=[small["product"]])["id"]
    other = stripe.create_price(unit_amount=3_000)["id"]
    subscription = subscribed(stripe, prices=[small["id"], other], coupon=coupon)
    assert empty.get(f"invoices/{subscription['latest_invoice']}")["total"] == 3_000
