"""Every row of docs/attributes.md and docs/events.md, from the strict sandbox's API to the person in Customer.io.

One account and one delivery serve all rows. The values are arithmetic, or what was given to Stripe.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.event_types import DEFAULT_TYPES
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync import sync_once
from stripe_cio_pipeline.warehouse import Warehouse

DOCS = Path(__file__).parents[1] / "docs"
ATTRIBUTES = re.findall(r"^## (\w+)$", (DOCS / "attributes.md").read_text(encoding="utf-8"), re.MULTILINE)
EVENTS = re.findall(r"^\| `([a-z_.]+)` \|", (DOCS / "events.md").read_text(encoding="utf-8"), re.MULTILINE)
POLICY = parse_policy(
    {
        "identity": {"settle_seconds": 0},
        "guard": {"first_load": "send", "max_changed_share": 1.0},
        "stripe": {"limits": {"endpoint": 10_000, "account": 10_000}},
        "customerio": {"requests_per_second": 1_000},
    }
)
DAY = 86_400
#: 1 January 2027, 00:00 UTC: the card is valid through December 2026.
CARD_ENDS = 1_798_761_600


@dataclass
class Played:
    """What happened at Stripe, whom it happened to by a name, and what is in Customer.io."""

    sandbox: Sandbox
    customers: dict[str, str] = field(default_factory=dict)
    expected: dict[str, tuple[str, Any]] = field(default_factory=dict)
    events: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    people: dict[str, Any] = field(default_factory=dict)
    sent: list[Any] = field(default_factory=list)

    @property
    def stripe(self) -> Any:
        return self.sandbox.stripe

    def now(self) -> int:
        return int(self.sandbox.clock.now())

    def customer(self, who: str, **fields: Any) -> str:
        given = {"email": f"{who}@example.com", **fields}
        self.customers[who] = str(self.stripe.create_customer(**given)["id"])
        return self.customers[who]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    switches = StripeSwitches(late_events_share=0.0, duplicate_events_share=0.5)
    gentle = CustomerioSwitches.gentle()
    with Sandbox(customers=0, leads=0, start=1_790_000_000, stripe=switches, customerio=gentle) as sandbox:
        play = Played(sandbox)
        warehouse = Warehouse(tmp_path_factory.mktemp("rows") / "warehouse.duckdb")
        names = {name.lower(): value for name, value in sandbox.environment().items()}
        settings = Settings(_env_file=None, **names)  # type: ignore[arg-type,call-arg]

        def sync() -> None:
            sandbox.clock.advance(minutes=2)
            sync_once(settings, POLICY, warehouse=warehouse, approve=True)
            sandbox.customerio.settle()

        # Events are forwarded from the first sync on.
        sync()
        _a_subscriber_with_everything(play)
        _others(play)
        _a_month_of_events(play)
        sync()
        # Who is deleted later was known first. Events go out once the link of their person was seen.
        play.stripe.delete_customer(play.customers["gone"])
        play.expected["stripe_deleted_at"] = ("gone", play.now())
        sync()
        play.people = {person.id: person for person in sandbox.customerio.people()}
        play.sent = list(sandbox.customerio.events())
        return play


def _a_subscriber_with_everything(play: Played) -> None:
    """Three seats at 20.00 eur with 10 % off for good, paid once; then canceled to the period's end, and paused."""
    stripe, since = play.stripe, play.now()
    play.sandbox.clock.advance(hours=1)
    subject = play.customer(
        "subscriber",
        name="Customer One",
        phone="+15550100",
        address={**payloads.NO_ADDRESS, "country": "AT"},
        preferred_locales=["de-AT"],
    )
    created = play.now()
    stripe.attach_card(subject, brand="visa", last4="4242", exp_month=12, exp_year=2026)
    price = stripe.create_price(stripe.create_product("Team")["id"], unit_amount=2_000, currency="eur")["id"]
    coupon = stripe.create_coupon(name="Founders", percent_off=10.0)["id"]
    subscription = stripe.create_subscription(subject, price=price, quantity=3, coupon=coupon, flexible=True)
    (item,) = subscription["items"]["data"]
    end = item["current_period_end"]
    resumes = created + 90 * DAY
    play.sandbox.clock.advance(minutes=5)
    stripe.cancel_subscription(subscription["id"], at_period_end=True)
    canceled = play.now()
    pause = {"behavior": "void", "resumes_at": resumes}
    stripe.update_subscription(subscription["id"], pause_collection=pause)
    assert since < created < end
    play.expected |= {
        name: ("subscriber", value)
        for name, value in {
            "id": subject,
            "email": "subscriber@example.com",
            "name": "Customer One",
            "phone": "+15550100",
            "created_at": created,
            "stripe_customer_id": subject,
            "country": "AT",
            "language": "de-AT",
            "currency": "eur",
            "plan": "Team",
            "plans": ["Team"],
            "subscription_status": "active",
            "subscription_id": subscription["id"],
            "subscriber_since": created,
            "quantity": 3,
            "billing_interval": "month",
            "mrr": 54.0,
            "current_period_ends_at": end,
            "cancel_at_period_end": True,
            "cancels_at": end,
            "canceled_at": canceled,
            "collection_paused": True,
            "collection_resumes_at": resumes,
            "coupon": "Founders",
            "lifetime_value": 54.0,
            "last_payment_at": created,
            "last_payment_amount": 54.0,
            "card_brand": "visa",
            "card_last4": "4242",
            "card_expires_at": CARD_ENDS,
            "stripe_livemode": False,
        }.items()
    }
    play.events["invoice.paid"] = (
        "subscriber",
        {"amount_paid": 54.0, "currency": "eur", "plan": "Team", "quantity": 3},
    )
    play.events["customer.subscription.created"] = (
        "subscriber",
        {"plan": "Team", "unit_amount": 20.0, "currency": "eur", "quantity": 3, "status": "active"},
    )
    play.events["customer.created"] = ("subscriber", {"id": subject})


def _others(play: Played) -> None:
    """Those who have what one person cannot have beside it: a trial, two currencies, a credit, an end."""
    stripe = play.stripe
    two = [play.customer("in dollars", email="two@example.com"), play.customer("in yen", email="two@example.com")]
    play.sandbox.clock.advance(minutes=1)
    stripe.create_subscription(two[0], price=stripe.create_price(unit_amount=1_000)["id"])
    stripe.create_subscription(two[1], price=stripe.create_price(unit_amount=1_500, currency="jpy")["id"])
    play.expected |= {
        "stripe_customer_ids": ("in dollars", sorted(two)),
        "mrr_other_currencies": ("in dollars", ["1500.0 jpy"]),
        # What was paid first, and the part that was paid past Stripe.
        "lifetime_value_other_currencies": ("in dollars", ["2000.0 jpy"]),
        "open_invoice_amount_other_currencies": ("in dollars", ["1000.0 jpy"]),
    }
    credited = play.customer("credited")
    invoice = stripe.create_subscription(credited)["latest_invoice"]
    stripe.credit_invoice(invoice, to_balance=400)
    play.expected["balance"] = ("credited", -4.0)


def _a_month_of_events(play: Played) -> None:
    stripe, clock = play.stripe, play.sandbox.clock
    company = stripe.company
    price = stripe.create_price(stripe.create_product("Solo")["id"], unit_amount=1_900)["id"]
    renewing, refunded, disputed, _ = (play.customer(each) for each in ("renewing", "refunded", "disputed", "gone"))
    stripe.create_subscription(renewing, price=price)
    charge = stripe.create_charge(refunded, 10_000)["id"]
    contested = stripe.create_charge(disputed, 5_000)["id"]
    trial, paused = play.customer("trial"), play.customer("paused")
    trialing = stripe.create_subscription(trial, price=price, trial_days=26)
    company.subscriptions.begin(paused, [(price, 1)], trial_days=5, trial_without_card="pause")
    play.expected["trial_ends_at"] = ("trial", trialing["trial_end"])
    ended = stripe.create_subscription(play.customer("ended"), price=price)["id"]
    clock.advance(days=6)
    stripe.refund(charge, 1_000)
    clock.advance(hours=1)
    stripe.refund(charge, 500)
    dispute = stripe.dispute(contested, amount=2_000)["id"]
    for subscription in stripe.books.of_customer("subscription", paused):
        stripe.attach_card(paused)
        stripe.resume_subscription(subscription["id"])
    clock.advance(days=1)
    stripe.close_dispute(dispute)
    stripe.cancel_subscription(ended)
    with stripe.lock:
        session = payloads.checkout_session(
            id=stripe.books.ids.new("cs_test"),
            created=play.now(),
            livemode=False,
            mode="payment",
            amount=1_234,
            currency="kwd",
            customer=refunded,
            email=None,
            payment_intent=None,
            subscription=None,
            invoice=None,
        )
        stripe.books.add(session, "checkout.session.completed")
    clock.advance(days=17)
    (yen,) = stripe.books.of_customer("subscription", play.customers["in yen"])
    owed = stripe.fail_payment(yen["id"])
    stripe.pay_outside(owed["id"], 500)
    # What the bank answers is chance: until one card wants its owner, and one is just refused.
    for number in range(40):
        name = f"failing {number}"
        failing = stripe.create_subscription(play.customer(name, email=f"failing-{number}@example.com"), price=price)
        invoice = stripe.fail_payment(failing["id"])
        told = {event["type"] for event in stripe.events() if event["data"]["object"].get("id") == invoice["id"]}
        asked = "invoice.payment_action_required" in told
        play.events.setdefault(
            "invoice.payment_action_required" if asked else "invoice.payment_failed",
            (name, {"amount_remaining": 19.0, "attempt_count": 1, "number": invoice["number"]}),
        )
        if not asked:
            play.expected |= {
                "delinquent": (name, True),
                "failed_payment_count": (name, 1),
                "open_invoice_amount": (name, 19.0),
                "open_invoice_url": (name, invoice["hosted_invoice_url"]),
                "next_payment_attempt_at": (name, invoice["next_payment_attempt"]),
            }
        if {"invoice.payment_action_required", "invoice.payment_failed"} <= play.events.keys():
            break
    play.events |= {
        "invoice.upcoming": ("renewing", {"amount_due": 19.0, "currency": "usd", "plan": "Solo"}),
        "customer.subscription.updated": ("subscriber", {"cancel_at_period_end": True, "plan": "Team"}),
        "customer.subscription.deleted": ("ended", {"status": "canceled", "plan": "Solo"}),
        "customer.subscription.trial_will_end": (
            "trial",
            {"trial_ends_at": trialing["trial_end"], "unit_amount": 19.0},
        ),
        "customer.subscription.paused": ("paused", {"status": "paused", "plan": "Solo"}),
        "customer.subscription.resumed": ("paused", {"status": "active", "plan": "Solo"}),
        "charge.refunded": ("refunded", {"refund_amount": 5.0, "amount_refunded": 15.0, "amount": 100.0}),
        "charge.dispute.created": ("disputed", {"amount": 20.0, "status": "needs_response"}),
        "charge.dispute.closed": ("disputed", {"amount": 20.0, "status": "lost"}),
        "checkout.session.completed": ("refunded", {"amount_total": 1.234, "currency": "kwd"}),
    }


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_attribute_is_what_was_given_to_stripe(played: Played, attribute: str) -> None:
    name, value = played.expected[attribute]
    person = played.people[played.customers[name]]
    has = {"id": person.id, "email": person.email, "phone": person.phone, **person.attributes}
    assert has.get(attribute) == value
    assert type(has[attribute]) is type(value)


def test_the_page_names_what_is_forwarded() -> None:
    assert set(EVENTS) == set(DEFAULT_TYPES)


@pytest.mark.parametrize("kind", EVENTS)
def test_the_event_reaches_the_person_with_its_data(played: Played, kind: str) -> None:
    name, data = played.events[kind]
    cio_id = played.people[played.customers[name]].cio_id
    found = [event.attributes for event in played.sent if (event.name, event.cio_id) == (kind, cio_id)]
    assert any(data.items() <= event.items() for event in found), found


def test_two_events_of_one_change_are_one(played: Played) -> None:
    """E19: Stripe told half of all changes twice, here."""
    told = [event for event in played.stripe.events() if event["type"] in DEFAULT_TYPES]
    changes = {(each["type"], each["created"], str(each["data"])) for each in told}
    assert len(told) > 1.2 * len(changes)
    assert Counter(event.name for event in played.sent) == Counter(kind for kind, _, _ in changes)
