"""Events: what they tell, when they can be seen, and for how long."""

import re
from collections import Counter
from typing import Any

import pytest

from stripe_cio_pipeline.sandbox import StripeSwitches


def of_type(api: Any, type_: str) -> list[dict[str, Any]]:
    return [event for event in api.sandbox.stripe.events() if event["type"] == type_]


def test_an_event_has_the_object_the_previous_values_and_the_request(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    customer = stripe.create_customer(email="customer-1@example.com", metadata={"plan": "a", "kept": "b"})
    stripe.update_customer(customer["id"], email="customer-2@example.com", metadata={"plan": "c"})
    (event,) = empty.get("events", "type=customer.updated")["data"]
    assert event["data"]["object"] == empty.get(f"customers/{customer['id']}")
    assert event["data"]["previous_attributes"] == {"email": "customer-1@example.com", "metadata": {"plan": "a"}}
    assert event["request"]["id"].startswith("req_")
    assert (event["api_version"], event["livemode"], event["object"]) == ("2026-10-28.endive", False, "event")
    assert empty.get(f"events/{event['id']}") == event
    (created,) = of_type(empty, "customer.created")
    assert "previous_attributes" not in created["data"]


def test_a_change_that_changes_nothing_leaves_no_event(empty: Any) -> None:
    customer = empty.sandbox.stripe.create_customer(email="customer-1@example.com")
    empty.sandbox.stripe.update_customer(customer["id"], email="customer-1@example.com")
    assert of_type(empty, "customer.updated") == []


def test_what_stripe_does_by_itself_has_no_request(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    stripe.create_subscription(stripe.create_customer()["id"])
    empty.sandbox.clock.advance(days=32)
    renewals = of_type(empty, "customer.subscription.updated")
    assert renewals
    assert all(event["request"]["id"] is None for event in renewals)


def test_ids_are_random_and_times_are_whole_seconds_with_several_events_each(lively: Any) -> None:
    events = lively.walk("events")
    assert all(re.fullmatch(r"evt_1[0-9A-Za-z]{24}", event["id"]) for event in events)
    assert all(isinstance(event["created"], int) for event in events)
    by_time = [event["id"] for event in sorted(events, key=lambda event: event["created"])]
    assert by_time != sorted(by_time)
    assert max(Counter(event["created"] for event in events).values()) >= 5


def test_the_order_within_a_second_is_nobodys_promise(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    customer = stripe.create_customer()["id"]
    for number in range(20):
        stripe.update_customer(customer, name=f"Customer {number}")
    told = [event["data"]["object"]["name"] for event in empty.walk("events", "type=customer.updated")]
    assert len(told) == 20
    assert told != sorted(told, key=lambda name: int(name.split()[1]), reverse=True)


def test_types_are_filtered_exactly_by_group_or_by_list(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    stripe.create_subscription(stripe.create_customer()["id"])
    every = {event["type"] for event in stripe.events()}
    found = {event["type"] for event in empty.walk("events", "type=customer.*")}
    assert found == {name for name in every if name.startswith("customer.")}
    assert "customer.subscription.created" in found
    assert {event["type"] for event in empty.walk("events", "type=invoice.paid")} == {"invoice.paid"}
    wanted = {"invoice.paid", "charge.succeeded"}
    for spelling in (
        "types[]=invoice.paid&types[]=charge.succeeded",
        "types[0]=invoice.paid&types[1]=charge.succeeded",
    ):
        assert {event["type"] for event in empty.walk("events", spelling)} == wanted


@pytest.mark.parametrize(
    "query",
    [
        "type=invoice.paid&types[]=invoice.paid",
        "&".join(["types[]=invoice.paid"] * 21),
        "types[]=customer.*",
        "type=customer.vanished",
        "type=shoe.*",
    ],
)
def test_type_filters_that_stripe_refuses(empty: Any, query: str) -> None:
    assert empty.refused("events", query)[0] == 400


def test_nothing_has_failed_delivery_where_no_endpoint_is(empty: Any) -> None:
    empty.sandbox.stripe.create_customer()
    assert empty.ids("events", "delivery_success=false") == []
    assert len(empty.ids("events", "delivery_success=true")) == 1


def test_late_events_appear_behind_the_head(start: Any) -> None:
    api = start(switches=StripeSwitches(late_events_share=0.5, late_events_seconds=60))
    stripe, clock = api.sandbox.stripe, api.sandbox.clock
    for number in range(30):
        stripe.create_customer(name=f"Customer {number}")
        clock.advance(seconds=1)
    head = api.ids("events", "limit=100")
    late = {event["id"] for event in stripe.events()} - set(head)
    assert late
    assert api.refused(f"events/{min(late)}")[0] == 404
    clock.advance(seconds=60)
    after = api.walk("events")
    assert {event["id"] for event in after} == {*head, *late}
    newest_then = max(event["created"] for event in after if event["id"] in head)
    assert any(event["created"] < newest_then for event in after if event["id"] in late)


def test_events_are_listed_for_thirty_days_and_an_older_cursor_is_told_so(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    stripe.create_customer()
    (old,) = empty.ids("events")
    clock.advance(days=29)
    stripe.create_customer()
    assert len(empty.ids("events")) == 2
    clock.advance(days=1, seconds=1)
    assert old not in empty.ids("events")
    status, error = empty.refused("events", f"ending_before={old}")
    assert status == 400
    assert "is no longer available because it's aged out of our retention policy" in error["message"]
    assert empty.refused(f"events/{old}")[0] == 404
    assert empty.refused("events", "starting_after=evt_none")[1]["code"] == "resource_missing"


def test_every_change_of_a_whole_life_has_its_event(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    customer = stripe.create_customer()["id"]
    stripe.attach_card(customer)
    subscription = stripe.create_subscription(customer, trial_days=7)["id"]
    empty.sandbox.clock.advance(days=8)
    dear = stripe.create_price(unit_amount=9_000)["id"]
    stripe.change_plan(subscription, price=dear)
    invoice = stripe.fail_payment(subscription)["id"]
    stripe.pay_invoice(invoice)
    charge = next(row for row in stripe.objects("charge").values() if row["status"] == "succeeded")["id"]
    stripe.refund(charge, 100)
    stripe.close_dispute(stripe.dispute(charge)["id"], won=True)
    stripe.renew_card(next(iter(stripe.objects("payment_method"))))
    stripe.cancel_subscription(subscription, at_period_end=True)
    stripe.delete_customer(customer)
    told = Counter(event["type"] for event in stripe.events())
    assert {
        "customer.created",
        "payment_method.attached",
        "customer.updated",
        "customer.subscription.created",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "invoice_payment.paid",
        "payment_intent.created",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "charge.failed",
        "charge.refunded",
        "charge.refund.updated",
        "refund.created",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
        "payment_method.automatically_updated",
        "customer.subscription.deleted",
        "customer.deleted",
    } <= set(told)
    deleted = next(event for event in stripe.events() if event["type"] == "customer.deleted")
    assert deleted["data"]["object"]["object"] == "customer"
    assert "invoice_settings" in deleted["data"]["object"]


def test_a_change_can_be_told_twice(start: Any) -> None:
    api = start(switches=StripeSwitches(duplicate_events_share=1.0, late_events_share=0.0))
    api.sandbox.stripe.create_customer()
    first, second = api.get("events")["data"]
    assert first["id"] != second["id"]
    assert first["data"] == second["data"]


def test_a_card_that_is_detached_is_nobodys(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    customer = stripe.create_customer()["id"]
    card = stripe.attach_card(customer)["id"]
    assert empty.ids(f"customers/{customer}/payment_methods") == [card]
    assert stripe.detach_card(card)["customer"] is None
    assert empty.ids(f"customers/{customer}/payment_methods") == []
    assert empty.ids("payment_methods") == [card]
    assert empty.get(f"customers/{customer}")["invoice_settings"]["default_payment_method"] is None
    (event,) = of_type(empty, "payment_method.detached")
    assert event["data"]["object"]["customer"] is None


def test_a_guests_charge_names_nobody_but_an_email(empty: Any) -> None:
    charge = empty.sandbox.stripe.create_charge(None, 2_500, "eur", email="guest-1@example.com")
    (event,) = empty.get("events", "type=charge.succeeded")["data"]
    assert event["data"]["object"] == charge == empty.get(f"charges/{charge['id']}")
    assert (charge["customer"], charge["billing_details"]["email"]) == (None, "guest-1@example.com")


def test_a_week_before_a_renewal_an_invoice_is_announced_that_has_no_id(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    customer = stripe.create_customer()["id"]
    subscription = stripe.create_subscription(customer)
    clock.move_to(subscription["items"]["data"][0]["current_period_end"] - 7 * 86_400)
    (event,) = empty.get("events", "type=invoice.upcoming")["data"]
    preview = event["data"]["object"]
    assert "id" not in preview
    assert (preview["object"], preview["customer"], preview["amount_due"]) == ("invoice", customer, 2_000)
    assert len(empty.ids("invoices")) == 1


def test_events_of_what_is_on_a_test_clock_are_listed_unless_switched_off(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    stripe.create_customer(test_clock="clock_1")
    assert len(empty.ids("events", "type=customer.created")) == 1
    stripe.switches.test_clock_events = False
    stripe.create_customer(test_clock="clock_1")
    assert len(empty.ids("events", "type=customer.created")) == 1
