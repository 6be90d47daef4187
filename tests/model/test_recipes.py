"""docs/events.md: every mail that it has is rendered on what the sandbox's account tells, and it names every field."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from liquid import Environment

from stripe_cio_pipeline.event_types import DEFAULT_TYPES
from stripe_cio_pipeline.model.files import RAW
from stripe_cio_pipeline.sandbox import Sandbox
from tests.model.account import Account, Payload

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
MAILS = dict(re.findall(r"^### (.+?)\n.*?^```liquid\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
#: Beginnings of the lines that name the fields, by the events that have them.
FIELDS = {
    "invoice.": "Invoice: ",
    "customer.subscription.": "Subscription: ",
    "charge.refunded": "Charge: ",
    "charge.dispute.": "Dispute: ",
    "checkout.session.": "Checkout session: ",
    "customer.created": "Customer: ",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An event that goes out: its data, the attributes of its person, and what Stripe itself had said."""

    type: str
    event: dict[str, Any]
    customer: dict[str, Any]
    subject: Payload


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """All that an account of two hundred customers has told in a month."""
    account = Account(tmp_path_factory.mktemp("recipes") / "warehouse.duckdb")
    with Sandbox(seed=11, customers=200, leads=0, history_days=120, start=1_790_000_000) as sandbox:
        events = {event["id"]: event for event in sandbox.stripe.events()}
        cards = sandbox.stripe.objects("payment_method")
        for name in RAW:
            if objects := list(sandbox.stripe.objects(name.removesuffix("s")).values()):
                account.put(name, *(expanded(each, cards) for each in objects))
    account.put("events", *events.values())
    account.build()
    people = account.people()
    owners = {row["customer_id"]: row["person_id"] for row in account.rows("from model.members")}
    return [
        Told(
            row["type"],
            json.loads(row["data"]),
            {
                name: value
                for name, value in people.get(owners.get(row["customer_id"], ""), {}).items()
                if value is not None
            },
            events[row["event_id"]]["data"]["object"],
        )
        for row in account.rows("from model.events order by created, event_id")
    ]


def expanded(payload: Payload, cards: Mapping[str, Payload]) -> Payload:
    """An object as extraction asks for it."""
    default = (payload.get("invoice_settings") or {}).get("default_payment_method")
    return payload | ({"invoice_settings": {"default_payment_method": cards[default]}} if default else {})


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Customer.io writes dates in UTC; the renderer takes the machine's zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def mail(name: str, told: list[Told], kind: str, meant: Callable[[Told], bool] = lambda _: True) -> tuple[str, Told]:
    """Render a mail of the page on the first event of a type for which it is meant."""
    found = next(each for each in told if each.type == kind and each.customer and meant(each))
    text = Environment().from_string(MAILS[name]).render(event=found.event, customer=found.customer)
    assert "  " not in text.replace("\n", ""), "something that is not there was put into a sentence"
    return text, found


def amount(minor: int, currency: str) -> str:
    return str(minor / {"jpy": 1, "kwd": 1000}.get(currency, 100))


def day(moment: int) -> str:
    return time.strftime("%B ", time.gmtime(moment)) + str(time.gmtime(moment).tm_mday)


def test_there_is_a_mail_for_each_turn_of_a_subscribers_life() -> None:
    assert list(MAILS) == [
        "Welcome",
        "A renewal ahead",
        "Dunning: the payment failed",
        "The bank asks for you",
        "The trial ends",
        "The receipt",
        "A refund",
        "Win back",
    ]


def test_welcome(told) -> None:
    text, found = mail(
        "Welcome", told, "customer.created", lambda each: "name" in each.customer and "plan" in each.customer
    )
    assert f"Hello {found.subject['name']}, welcome!" in text
    assert found.customer["plan"] in text
    nameless, _ = mail("Welcome", told, "customer.created", lambda each: "name" not in each.customer)
    assert "Hello there, welcome!" in nameless


def test_a_renewal_ahead(told) -> None:
    text, found = mail(
        "A renewal ahead",
        told,
        "invoice.upcoming",
        lambda each: each.event["amount_due"] > 0 and each.event.get("quantity", 0) > 1 and "card_last4" in each.event,
    )
    subject = found.subject
    price = f"{amount(subject['amount_due'], subject['currency'])} {subject['currency'].upper()}"
    # The period that the preview looks back on ends with the renewal, when the period of its lines begins.
    renewal = day(subject["lines"]["data"][0]["period"]["start"])
    assert f"renews on {renewal} for {price} ({found.event['quantity']} of them)." in text
    assert text.startswith(f"Your {found.event['plan']} renews")
    assert f"card ending in {found.event['card_last4']}" in text


def test_dunning_spares_whose_first_card_just_failed(told) -> None:
    text, found = mail(
        "Dunning: the payment failed",
        told,
        "invoice.payment_failed",
        lambda each: each.event["billing_reason"] != "subscription_create" and "next_payment_attempt_at" in each.event,
    )
    subject = found.subject
    assert f"collect {amount(subject['amount_remaining'], subject['currency'])} {subject['currency'].upper()}" in text
    assert f"for invoice {subject['number']}." in text
    assert f"We try again on {day(subject['next_payment_attempt'])}." in text
    assert subject["hosted_invoice_url"] in text
    in_checkout = [each for each in told if each.event.get("billing_reason") == "subscription_create"]
    assert in_checkout, "nobody is spared"
    assert "`event.billing_reason` is not `subscription_create`" in PAGE


def test_the_bank_asks_for_the_customer(told) -> None:
    text, found = mail("The bank asks for you", told, "invoice.payment_action_required")
    assert f"payment of {amount(found.subject['amount_remaining'], found.subject['currency'])}" in text
    assert f"Confirm it here: {found.subject['hosted_invoice_url']}" in text


def test_the_trial_ends(told) -> None:
    text, found = mail(
        "The trial ends",
        told,
        "customer.subscription.trial_will_end",
        lambda each: "card_last4" not in each.customer and "unit_amount" in each.event,
    )
    (item, *_) = found.subject["items"]["data"]
    assert day(found.subject["trial_end"]) in text
    assert f"After that it is {amount(item['price']['unit_amount'], item['price']['currency'])} " in text
    assert f"per {item['price']['recurring']['interval']}" in text
    assert "There is no card on file yet" in text


def test_the_receipt(told) -> None:
    text, found = mail("The receipt", told, "invoice.paid", lambda each: each.event["amount_paid"] > 0)
    subject = found.subject
    assert (
        f"We received {amount(subject['amount_paid'], subject['currency'])} {subject['currency'].upper()} for" in text
    )
    assert f"Invoice {subject['number']}: {subject['invoice_pdf']}" in text


def test_a_refund(told) -> None:
    text, found = mail(
        "A refund",
        told,
        "charge.refunded",
        lambda each: not each.event["fully_refunded"] and each.event["refund_amount"] != 0,
    )
    assert "`event.refund_amount` is not 0" in PAGE
    subject = found.subject
    assert (
        f"sent {amount(subject['amount_refunded'], subject['currency'])} {subject['currency'].upper()} back to" in text
    )
    assert f"card ending in {subject['payment_method_details']['card']['last4']}." in text
    assert f"Of this payment of {amount(subject['amount'], subject['currency'])} that makes" in text


def test_win_back(told) -> None:
    after_dunning, found = mail(
        "Win back",
        told,
        "customer.subscription.deleted",
        lambda each: each.event["cancellation_reason"] == "payment_failed",
    )
    assert after_dunning.startswith(f"Your {found.event['plan']} plan ended because")
    own_wish, found = mail(
        "Win back",
        told,
        "customer.subscription.deleted",
        lambda each: each.event["cancellation_reason"] == "cancellation_requested",
    )
    since = time.strftime("%B %Y", time.gmtime(found.customer["subscriber_since"]))
    assert own_wish.startswith(f"You were with us from {since}.")


@pytest.mark.parametrize("kind", DEFAULT_TYPES)
def test_the_page_names_the_type_and_every_field_that_is_told(told, kind: str) -> None:
    assert f"| `{kind}` |" in PAGE
    (start,) = (line for prefix, line in FIELDS.items() if kind.startswith(prefix))
    named = set(re.findall(r"`(\w+)`", PAGE[PAGE.index(f"\n{start}") :].partition("\n\n")[0]))
    of_kind = [each.event for each in told if each.type == kind]
    assert of_kind, f"the account tells no {kind}"
    assert {name for event in of_kind for name in event} <= named
