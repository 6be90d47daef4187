"""Stripe events, their names in Customer.io and their data."""

import json
from typing import Any

import pytest

from tests.model.account import Account, Payload


def event(kind: str, number: int = 1, previous: Payload | None = None, **fields: Any) -> Payload:
    data: Payload = {"object": {"customer": "cus_1", **fields}}
    if previous is not None:
        data["previous_attributes"] = previous
    return {"id": f"evt_{number}", "object": "event", "type": kind, "created": 1000 + number, "data": data}


def forwarded(account: Account, *events: Payload) -> list[dict[str, Any]]:
    card = {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
    account.put(
        "customers",
        {"id": "cus_1", "created": 1, "invoice_settings": {"default_payment_method": {"id": "pm_1", "card": card}}},
    )
    account.put("products", {"id": "prod_1", "name": "Pro"})
    account.put("events", *events)
    account.build()
    rows = account.rows("from model.events order by created")
    return [row | {"data": json.loads(row["data"])} for row in rows]


def test_a_failed_payment_says_what_a_dunning_mail_needs(account: Account) -> None:
    (found,) = forwarded(
        account,
        event(
            "invoice.payment_failed",
            id="in_1",
            currency="usd",
            amount_due=1999,
            amount_paid=0,
            amount_remaining=1999,
            attempt_count=2,
            next_payment_attempt=5000,
            hosted_invoice_url="https://invoice.example.com/1",
            due_date=None,
            parent={"subscription_details": {"subscription": "sub_1"}},
            lines={"data": [{"description": "1 × Pro"}]},
        ),
    )

    assert {name: found[name] for name in ("event_id", "type", "customer_id", "created", "name")} == {
        "event_id": "evt_1",
        "type": "invoice.payment_failed",
        "customer_id": "cus_1",
        "created": 1001,
        "name": "invoice.payment_failed",
    }
    assert found["data"] == {
        "invoice_id": "in_1",
        "currency": "usd",
        "amount_due": 19.99,
        "amount_paid": 0.0,
        "amount_remaining": 19.99,
        "attempt_count": 2,
        "next_payment_attempt_at": 5000,
        "description": "1 × Pro",
        "subscription_id": "sub_1",
        "hosted_invoice_url": "https://invoice.example.com/1",
        "card_brand": "visa",
        "card_last4": "4242",
    }


def test_a_trial_that_will_end_says_when_and_which_plan(account: Account) -> None:
    price = {"product": "prod_1", "unit_amount": 4900, "recurring": {"interval": "month", "interval_count": 1}}
    (found,) = forwarded(
        account,
        event(
            "customer.subscription.trial_will_end",
            id="sub_1",
            status="trialing",
            currency="usd",
            trial_end=9000,
            items={"data": [{"quantity": 2, "current_period_end": 9000, "price": price}]},
        ),
    )

    assert found["name"] == "customer.subscription.trial_will_end"
    assert found["data"] == {
        "subscription_id": "sub_1",
        "status": "trialing",
        "plan": "Pro",
        "quantity": 2,
        "currency": "usd",
        "unit_amount": 49.0,
        "billing_interval": "month",
        "trial_ends_at": 9000,
        "current_period_ends_at": 9000,
    }


def test_an_updated_subscription_says_what_changed(account: Account) -> None:
    (found,) = forwarded(
        account,
        event(
            "customer.subscription.updated",
            previous={"status": "active", "cancel_at": None},
            id="sub_1",
            status="past_due",
            currency="usd",
        ),
    )

    assert found["data"]["previous_status"] == "active"
    assert found["data"]["status"] == "past_due"
    assert found["data"]["changed"] == "status, cancel_at"


def test_a_refund_in_yen_has_no_decimals(account: Account) -> None:
    (found,) = forwarded(
        account,
        event("charge.refunded", id="ch_1", currency="jpy", amount=3000, amount_refunded=1200, refunded=False),
    )

    assert found["data"] == {
        "charge_id": "ch_1",
        "currency": "jpy",
        "amount": 3000.0,
        "amount_refunded": 1200.0,
        "fully_refunded": False,
    }


def test_a_checkout_says_what_was_bought(account: Account) -> None:
    (found,) = forwarded(
        account,
        event(
            "checkout.session.completed",
            id="cs_1",
            currency="kwd",
            amount_total=1500,
            mode="subscription",
            payment_status="paid",
            subscription={"id": "sub_1", "object": "subscription"},
            customer_details={"email": "customer-1@example.com"},
        ),
    )

    assert found["data"] == {
        "session_id": "cs_1",
        "mode": "subscription",
        "currency": "kwd",
        "amount_total": 1.5,
        "payment_status": "paid",
        "subscription_id": "sub_1",
    }


def upcoming(*lines: Payload, **fields: Any) -> Payload:
    """A preview as Stripe writes it since basil: it looks back on the period that ends, and its lines look ahead."""
    return event(
        "invoice.upcoming",
        currency="usd",
        amount_due=9800,
        amount_paid=0,
        amount_remaining=9800,
        attempt_count=0,
        billing_reason="upcoming",
        next_payment_attempt=702_600,
        period_start=96_200,
        period_end=699_000,
        parent={"subscription_details": {"subscription": "sub_1"}},
        lines={"data": list(lines)},
        **fields,
    )


def line(description: str, amount: int, product: str, *, proration: bool = False, quantity: int = 1) -> Payload:
    return {
        "description": description,
        "amount": amount,
        "quantity": quantity,
        "parent": {"subscription_item_details": {"proration": proration}},
        "period": {"start": 699_000, "end": 1_301_800},
        "pricing": {"price_details": {"price": "price_1", "product": product}},
    }


@pytest.mark.parametrize("preview", [{}, {"id": "upcoming_in_1PgafmB7WZ01zgkW6dKueIc5"}], ids=["no id", "an id"])
def test_a_coming_renewal_says_what_it_costs_and_when(account: Account, preview: Payload) -> None:
    account.put("products", {"id": "prod_2", "name": "Old plan"})
    credit = line("Unused time on Old plan", -500, "prod_2", proration=True)
    rest = line("Remaining time on Old plan", 700, "prod_2", proration=True)
    (found,) = forwarded(account, upcoming(credit, rest, line("2 × Pro", 9600, "prod_1", quantity=2), **preview))

    assert (found["customer_id"], found["name"]) == ("cus_1", "invoice.upcoming")
    assert found["data"] == {
        "currency": "usd",
        "amount_due": 98.0,
        "amount_paid": 0.0,
        "amount_remaining": 98.0,
        "attempt_count": 0,
        "next_payment_attempt_at": 702_600,
        "description": "2 × Pro",
        "plan": "Pro",
        "quantity": 2,
        "renews_at": 699_000,
        "billing_reason": "upcoming",
        "subscription_id": "sub_1",
        "card_brand": "visa",
        "card_last4": "4242",
    }


def test_a_dispute_belongs_to_whom_its_charge_belongs(account: Account) -> None:
    account.put("charges", {"id": "ch_1", "customer": "cus_1", "created": 1, "amount": 1000, "currency": "usd"})
    dispute = {
        "id": "dp_1",
        "object": "dispute",
        "amount": 1000,
        "charge": "ch_1",
        "customer": None,
        "currency": "usd",
        "evidence": {"customer_name": "somebody", "customer_purchase_ip": "192.0.2.1"},
        "evidence_details": {"due_by": 1723679999, "has_evidence": False},
        "payment_method_details": {"card": {"brand": "visa", "network_reason_code": "10.4"}, "type": "card"},
        "reason": "general",
        "status": "needs_response",
    }
    opened = event("charge.dispute.created", 1, **dispute)
    closed = event("charge.dispute.closed", 2, **{**dispute, "status": "won"})
    found = forwarded(account, opened, closed)

    assert [row["customer_id"] for row in found] == ["cus_1", "cus_1"]
    assert [row["data"]["status"] for row in found] == ["needs_response", "won"]
    assert found[0]["data"] == {
        "id": "dp_1",
        "amount": 10.0,
        "charge": "ch_1",
        "currency": "usd",
        "reason": "general",
        "status": "needs_response",
        "evidence_details_due_by": 1723679999,
        "evidence_details_has_evidence": False,
        "payment_method_details_type": "card",
        "payment_method_details_card_brand": "visa",
    }


def test_a_payment_of_an_invoice_belongs_to_whom_the_invoice_belongs(account: Account) -> None:
    account.put("invoices", {"id": "in_1", "customer": "cus_1", "created": 1, "status": "open", "currency": "usd"})
    paid = event("invoice_payment.paid", id="inpay_1", customer=None, invoice="in_1", amount_paid=1000, currency="usd")
    account.put("events", paid)
    account.build({"events": {"forward": ["invoice_payment.paid"]}})
    (row,) = account.rows("from model.events")
    assert (row["customer_id"], json.loads(row["data"])["amount_paid"]) == ("cus_1", 10.0)


def test_a_new_customer_is_told_without_who_they_are(account: Account) -> None:
    (found,) = forwarded(
        account,
        event(
            "customer.created",
            id="cus_1",
            object="customer",
            created=1234567890,
            balance=0,
            currency=None,
            delinquent=False,
            description="somebody",
            email="customer-1@example.com",
            name="somebody",
            phone="+15551234567",
            shipping=None,
            address={"city": "berlin", "country": "DE"},
        ),
    )
    assert found["data"] == {"id": "cus_1", "created": 1234567890, "delinquent": False, "customer": "cus_1"}


@pytest.mark.parametrize("kind", ["paused", "resumed"])
def test_a_paused_subscription_says_of_which_plan(account: Account, kind: str) -> None:
    items = {"data": [{"quantity": 1, "price": {"product": "prod_1", "unit_amount": 4900}}]}
    (found,) = forwarded(
        account, event(f"customer.subscription.{kind}", id="sub_1", status="paused", currency="usd", items=items)
    )
    assert (found["name"], found["data"]["plan"]) == (f"customer.subscription.{kind}", "Pro")


def test_types_that_nobody_forwards_stay_behind(account: Account) -> None:
    assert forwarded(account, event("customer.updated", id="cus_1"), event("price.created", 2, id="price_1")) == []


def test_every_type_has_its_own_name(account: Account) -> None:
    types = [
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.refunded",
        "checkout.session.completed",
        "customer.created",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.upcoming",
    ]

    found = forwarded(account, *(event(kind, number, id=f"x_{number}") for number, kind in enumerate(types)))

    assert [row["type"] for row in found] == types
    assert [row["name"] for row in found] == types


def test_the_policy_chooses_types_and_names(account: Account) -> None:
    account.put("customers", {"id": "cus_1", "created": 1})
    account.put("events", event("invoice.paid", id="in_1"), event("invoice.voided", 2, id="in_1"))

    def named(**events: Any) -> list[str]:
        account.build({"events": events})
        return [row["name"] for row in account.rows("from model.events order by event_id")]

    assert named() == ["invoice.paid"]
    assert named(forward=["invoice.*"]) == ["invoice.paid", "invoice.voided"]
    assert named(forward=["invoice.voided"], names={"invoice.voided": " Voided "}) == ["Voided"]
    assert named(forward=[]) == []
    account.put("events", event("charge.succeeded", 3, id="ch_1"), event("invoice.paid", 4, id="in_2"))
    assert named(forward=[]) == []
    assert named(names={"invoice.paid": "paid"}) == ["paid", "paid"]
    account.put("events", event("invoice.paid", 5, id="in_3"), event("invoice.created", 6, id="in_4"))
    assert named(names={"invoice.paid": "paid"}) == ["paid", "paid", "paid"]
