"""Any Stripe event: the data of types that events.sql does not know, and two Event objects of one change."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.event_types import known_types
from tests.model.account import Account, Payload

EVERYTHING = {"events": {"forward": ["*"]}}
PUBLISHED = json.loads((Path(__file__).parent.parent / "data" / "stripe-published-fixtures.json").read_text())

#: Payloads of other projects' tests, of API versions of 2013 to 2022.
CORPUS = next(
    (file for root in Path(__file__).parents if (file := root / "shared/real-input/corpus/event.jsonl").exists()), None
)

# Whole-number fields of the objects in stripe-python 16.1: those whose docstring speaks of cents, of the smallest
# currency unit or of an amount, with four that are told in other words (`amount_subtotal`, `amount_total`,
# `flat_amount`, `starting_balance`). Left out are five names that are an amount in one object and not in another.
AMOUNTS = """
amount amount_authorized amount_capturable amount_captured amount_charged amount_discount amount_due amount_gte
amount_off amount_overpaid amount_paid amount_paid_off_stripe amount_received amount_refunded amount_remaining
amount_requested amount_returned amount_reversed amount_shipping amount_subtotal amount_tax amount_total
application_fee_amount balance discount_amount ending_balance fee flat_amount maximum_amount_capturable minimum_amount
net net_amount out_of_band_amount post_payment_amount post_payment_credit_notes_amount pre_payment_amount
pre_payment_credit_notes_amount shipping_amount starting_balance subtotal subtotal_excluding_tax taxable_amount total
total_excluding_tax total_tax_amount transfer_up_to_amount unit_amount unit_cost
"""
# And those that are times, counts, or parts of a date.
NO_AMOUNTS = """
accepted_at arrival_date attempt_count attempts_remaining automatically_finalizes_at available_on billed_until
billing_cycle_anchor cancel_at capture_before charge_attempt_at completed_at completes_at computed_timestamp count
created current_deadline current_period_end current_period_start date day day_of_month days_until_due delay_days
delay_days_override divide_by due_by due_date duration_in_months effective_at effective_date end end_date ended_at
estimated_worker_count exp_month exp_year expected_availability_date expires expires_after expires_after_days
expires_after_seconds expires_at finalized_at hour interval_count limit marked_uncollectible_at max_redemptions
maximum_length minimum_length minute minutes month monthly_anchor next_invoice_sequence next_payment_attempt
next_pending_invoice_item_invoice paid_at pause_at payment_method_redisplay_limit payments_per_period period_end
period_start quantity redeem_by released_at requested_at resume_at resumes_at risk_score second size start start_date
stored_at submission_count subscription_proration_date template_version times_redeemed timestamp transitioned_at
trial_end trial_period_days trial_start up_to updated updated_at usage_gte version voided_at webhooks_delivered_at
year
"""


def told(account: Account, kind: str, subject: Payload, previous: Payload | None = None) -> dict[str, Any]:
    """The data of one event."""
    data: Payload = {"object": subject} | ({"previous_attributes": previous} if previous is not None else {})
    account.put("events", {"id": "evt_1", "object": "event", "type": kind, "created": 1000, "data": data})
    account.build(EVERYTHING)
    (row,) = account.rows("from model.events where event_id = 'evt_1'")
    return dict(json.loads(row["data"]))


def test_a_payment_tells_what_a_mail_needs_and_neither_secrets_nor_who_pays(account: Account) -> None:
    found = told(
        account,
        "payment_intent.payment_failed",
        {
            "id": "pi_1PgafmB7WZ01zgkW6dKueIc5",
            "object": "payment_intent",
            "amount": 1999,
            "amount_details": {"tip": {"amount": 100}, "line_items": {"data": [{"amount": 7}], "has_more": False}},
            "client_secret": "pi_1PgafmB7WZ01zgkW6dKueIc5_secret_abc",
            "confirmation_method": "automatic",
            "created": 1721954062,
            "currency": "usd",
            "customer": "cus_1",
            "description": "Order 17",
            "last_payment_error": {
                "code": "card_declined",
                "decline_code": "insufficient_funds",
                "message": "Your card has insufficient funds.",
                "payment_method": {
                    "id": "pm_1",
                    "billing_details": {"email": "customer-1@example.com", "name": "somebody", "phone": None},
                    "card": {"brand": "visa", "fingerprint": "Xt5EWLLDS7FJjR1c", "last4": "9995"},
                },
            },
            "livemode": True,
            "metadata": {"note": "private"},
            "next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.example.com/secret"}},
            "payment_method_types": ["card"],
            "receipt_email": "customer-1@example.com",
            "shipping": {"name": "somebody", "address": {"city": "berlin", "country": "DE"}},
            "status": "requires_payment_method",
            "statement_descriptor": None,
        },
    )

    assert found == {
        "id": "pi_1PgafmB7WZ01zgkW6dKueIc5",
        "amount": 19.99,
        "amount_details_tip_amount": 1.0,
        "confirmation_method": "automatic",
        "created": 1721954062,
        "currency": "usd",
        "customer": "cus_1",
        "description": "Order 17",
        "last_payment_error_code": "card_declined",
        "last_payment_error_decline_code": "insufficient_funds",
        "last_payment_error_message": "Your card has insufficient funds.",
        "last_payment_error_payment_method_id": "pm_1",
        "last_payment_error_payment_method_card_brand": "visa",
        "last_payment_error_payment_method_card_last4": "9995",
        "status": "requires_payment_method",
    }


def test_what_changed_is_told(account: Account) -> None:
    found = told(
        account,
        "setup_intent.canceled",
        {"id": "seti_1", "object": "setup_intent", "status": "canceled"},
        previous={"status": "requires_action", "next_action": None},
    )

    assert found == {
        "id": "seti_1",
        "status": "canceled",
        "previous_status": "requires_action",
        "changed": "status, next_action",
    }


def test_amounts_are_in_the_unit_of_the_currency_beside_them(account: Account) -> None:
    currencies = {"usd": 12.34, "JPY": 1234.0, "kwd": 1.234, "isk": 12.34}
    monetary = {name: {"monetary": {"value": 1234, "currency": name}} for name in currencies}
    found = told(account, "billing.credit_grant.created", {"id": "credgr_1", "currency": "eur", **monetary})
    assert {name: found[f"{name}_monetary_value"] for name in currencies} == currencies


def test_an_amount_whose_currency_nobody_knows_is_not_told(account: Account) -> None:
    session = {
        "id": "ppage_1",
        "object": "test",
        "amount": 500,
        "currency_options": {"eur": {"unit_amount": 400}},
        "currency_conversion": {"amount_total": 300, "source_currency": "eur"},
    }
    assert told(account, "ping.sent", session) == {"id": "ppage_1"}


def test_every_amount_of_stripes_objects_is_in_major_units_and_no_other_number(account: Account) -> None:
    amounts, others = AMOUNTS.split(), NO_AMOUNTS.split()
    numbers = dict.fromkeys((*amounts, *others), 1700)
    found = told(account, "payment_intent.created", {"id": "pi_1", "currency": "usd", **numbers})

    assert {name for name in amounts if found[name] != 17} == set()
    assert {name for name in others if found[name] != 1700} == set()


def test_nothing_that_customerio_takes_for_the_address_of_the_mail_is_told(account: Account) -> None:
    subject = {"id": "po_1", "recipient": "somebody", "from_address": "somebody", "reply_to": "somebody"}
    assert told(account, "payout.paid", subject) == {"id": "po_1"}


def test_stripes_published_objects_come_out_flat_and_without_addresses(account: Account) -> None:
    account.put(
        "events",
        *(
            {
                "id": f"evt_{name}",
                "type": "ping.sent",
                "created": 1,
                "data": {"object": {**published, "object": "test"}},
            }
            for name, published in PUBLISHED.items()
        ),
    )
    account.build(EVERYTHING)
    found = {row["event_id"]: json.loads(row["data"]) for row in account.rows("from model.events")}
    assert {name: data["id"] for name, data in found.items()} == {
        f"evt_{name}": published["id"] for name, published in PUBLISHED.items()
    }
    values = [value for data in found.values() for value in data.values()]
    assert not [value for value in values if isinstance(value, (dict, list)) or re.search(r"@|secret", str(value))]


def test_an_object_that_is_too_large_keeps_what_stands_on_its_surface(account: Account) -> None:
    deep = {f"inner{number}": {"status": "x" * 200, "reason": "y" * 200} for number in range(200)}
    found = told(account, "payment_intent.created", {"id": "pi_1", "z": "last", **deep})

    assert 20_000 < len(json.dumps(found)) < 30_000
    assert (found["id"], found["z"]) == ("pi_1", "last")


def test_an_event_about_nothing_that_may_be_told_is_forwarded_without_data(account: Account) -> None:
    assert told(account, "balance.available", {"object": "balance", "available": [{"amount": 1}]}) == {}


def test_a_model_of_the_users_asks_for_data_by_rule_with_a_null(account: Account, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "events.sql").write_text(
        "select id as event_id, type, customer_id, created, type as name, "
        "case when type = 'price.created' then json_object('mine', 1, 'none', null) end as data from events"
    )
    for number, kind in enumerate(("price.created", "price.updated")):
        account.put("events", {"id": f"evt_{number}", "type": kind, "created": 1, "data": {"object": {"id": "p_1"}}})
    account.build(EVERYTHING | {"models": {"folder": str(models)}})
    rows = account.rows("from model.events order by event_id")
    assert [json.loads(row["data"]) for row in rows] == [{"mine": 1}, {"id": "p_1"}]


def test_every_type_that_stripe_has_can_be_forwarded(account: Account) -> None:
    account.put(
        "events",
        *(
            {"id": f"evt_{number}", "type": kind, "created": number, "data": {"object": {"id": f"x_{number}"}}}
            for number, kind in enumerate(known_types())
        ),
    )
    account.build(EVERYTHING)
    assert [row["name"] for row in account.rows("from model.events order by created")] == list(known_types())


@pytest.mark.skipif(CORPUS is None, reason="the recorded payloads are not beside this checkout")
def test_recorded_events_of_every_kind_are_forwarded_flat_and_small(account: Account) -> None:
    assert CORPUS is not None
    recorded = [json.loads(line)["object"] for line in CORPUS.read_text().splitlines()]
    events = [
        {**event, "id": f"evt_{number}", "created": number}
        for number, event in enumerate(recorded)
        if isinstance((event.get("data") or {}).get("object"), dict) and "type" in event
    ]
    assert len(events) > 200
    account.put("events", *events)
    account.build(EVERYTHING)
    rows = account.rows("from model.events order by created")
    assert [row["type"] for row in rows] == [event["type"] for event in events]
    assert max(len(row["data"].encode()) for row in rows) < 5_000
    values = [value for row in rows for value in json.loads(row["data"]).values()]
    assert not [value for value in values if isinstance(value, (dict, list)) or re.search(r"@|secret", str(value))]


# Two Event objects of one change.


def twin(number: int, *, kind: str = "invoice.paid", created: int = 1000, **fields: Any) -> Payload:
    subject = {"id": "in_1", "customer": "cus_1", "amount_paid": 500, **fields}
    return {
        "id": f"evt_{number}",
        "type": kind,
        "created": created,
        "data": {"object": subject},
        "pending_webhooks": number,
    }


def forwarded(account: Account, **build: Any) -> list[str]:
    account.build(EVERYTHING, **build)
    return [row["event_id"] for row in account.rows("from model.events order by event_id")]


def test_two_event_objects_of_one_change_are_one_event(account: Account) -> None:
    account.put("events", twin(1), twin(2), twin(3))
    assert forwarded(account) == ["evt_1"]


def test_the_one_that_arrived_first_stands_for_both_and_stays(account: Account) -> None:
    account.put("events", twin(2))
    assert forwarded(account) == ["evt_2"]
    account.put("events", twin(1))
    assert forwarded(account) == ["evt_2"]
    assert forwarded(account, full=True) == ["evt_2"]


def test_events_that_differ_in_anything_are_two(account: Account) -> None:
    account.put(
        "events",
        twin(1),
        twin(2, created=1001),
        twin(3, kind="invoice.payment_succeeded"),
        twin(4, id="in_2"),
        twin(5, amount_paid=501),
        {**twin(6), "data": {**twin(6)["data"], "previous_attributes": {"status": "open"}}},
    )
    assert forwarded(account) == [f"evt_{number}" for number in range(1, 7)]


def test_previews_without_an_id_are_told_apart_by_their_content(account: Account) -> None:
    first, second = twin(1, kind="invoice.upcoming"), twin(2, kind="invoice.upcoming", customer="cus_2")
    again = twin(3, kind="invoice.upcoming")
    for event in (first, second, again):
        del event["data"]["object"]["id"]
    account.put("events", first, second, again)
    assert forwarded(account) == ["evt_1", "evt_2"]
