"""What a person should look like, worked out in plain Python from the sandbox's Stripe: the demo's second opinion.

Nothing here knows the pipeline's SQL, its tables or its settings. Amounts are exact fractions until the last step.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from stripe_cio_pipeline.sandbox import Sandbox

Payload = Mapping[str, Any]

#: A subscription that is in use speaks for a person before one in trouble, and that before one that is over.
_PREFERENCE = ("active", "past_due", "trialing", "unpaid", "paused", "incomplete", "", "canceled", "incomplete_expired")
_NO_DECIMALS = frozenset({"jpy", "krw", "clp", "vnd", "xof"})
_THREE_DECIMALS = frozenset({"kwd", "bhd", "jod", "omr", "tnd"})
_MONTHS = {"month": Fraction(1), "year": Fraction(12), "week": Fraction(12, 52), "day": Fraction(12, 365)}


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that Stripe knows at one moment, by id or by customer. `deleted_at` holds unix seconds."""

    customers: dict[str, Payload]
    deleted_at: dict[str, int]
    subscriptions: dict[str, list[Payload]]
    charges: dict[str, list[Payload]]
    invoices: dict[str, list[Payload]]
    products: Mapping[str, Payload]
    tiers: Mapping[str, Sequence[Payload]]
    coupons: Mapping[str, Payload]
    discounts: Mapping[str, Payload]
    cards: Mapping[str, Payload]


def read_truth(sandbox: Sandbox) -> Truth:
    """Copy what Stripe knows. Customers that were deleted are there as they last were."""
    stripe = sandbox.stripe
    customers: dict[str, Payload] = {}
    deleted_at: dict[str, int] = {}
    for event in stripe.events():
        if event["type"] == "customer.deleted":
            gone = event["data"]["object"]
            customers[gone["id"]] = gone
            deleted_at[gone["id"]] = event["created"]
    customers |= stripe.objects("customer")
    return Truth(
        customers=customers,
        deleted_at=deleted_at,
        subscriptions=_by_customer(_with_all_items(sandbox, stripe.objects("subscription").values())),
        charges=_by_customer(stripe.objects("charge").values()),
        invoices=_by_customer(stripe.objects("invoice").values()),
        products=stripe.objects("product"),
        tiers=stripe.books.tiers,
        coupons=stripe.objects("coupon"),
        discounts=stripe.objects("discount"),
        cards=stripe.objects("payment_method"),
    )


def _with_all_items(sandbox: Sandbox, subscriptions: Iterable[Payload]) -> Iterable[Payload]:
    """Put in the items that a list leaves out: it shows ten of a subscription at most."""
    for payload in subscriptions:
        items = payload["items"]
        yield {**payload, "items": {**items, "data": sandbox.stripe.books.full_list(items)}}


def _by_customer(objects: Iterable[Payload]) -> dict[str, list[Payload]]:
    found: dict[str, list[Payload]] = defaultdict(list)
    for payload in objects:
        if payload["customer"]:
            found[payload["customer"]].append(payload)
    return dict(found)


def expected_attributes(truth: Truth, customers: Sequence[str], owner: str) -> dict[str, Any]:
    """Work out the attributes of the person whom these customers are together, owned by one of them."""
    owner_payload = truth.customers[owner]
    subscriptions = _of(truth.subscriptions, customers)
    main = min(subscriptions, key=_speaks_for, default=None)
    payments = sorted(_payments(truth, customers), key=lambda payment: (payment["at"], payment["id"]))
    currency = (
        owner_payload["currency"]
        or (main["currency"] if main else None)
        or (payments[-1]["currency"] if payments else None)
    )
    living = [truth.customers[id_] for id_ in customers if id_ not in truth.deleted_at]
    own = [payment for payment in payments if payment["currency"] == currency]
    minor_units = _minor_units(currency)
    expected: dict[str, Any] = {
        "name": owner_payload["name"],
        "phone": owner_payload["phone"],
        "created_at": min(truth.customers[id_]["created"] for id_ in customers),
        "stripe_customer_id": owner,
        "stripe_customer_ids": sorted(customers),
        "country": (owner_payload["address"] or {}).get("country"),
        "language": next(iter(owner_payload["preferred_locales"]), None),
        "currency": currency,
        "delinquent": any(customer["delinquent"] for customer in living),
        "balance": _major(
            sum(customer["balance"] for customer in living if customer["currency"] == currency), minor_units
        ),
        "mrr": _major(
            sum(
                (
                    monthly_amount(truth, each)
                    for each in subscriptions
                    if _counts(each) and each["currency"] == currency
                ),
                Fraction(0),
            ),
            minor_units,
        ),
        "lifetime_value": _major(sum(payment["kept"] for payment in own), minor_units),
        "last_payment_at": own[-1]["at"] if own else None,
        "last_payment_amount": _major(own[-1]["amount"], minor_units) if own else None,
        "stripe_livemode": owner_payload["livemode"],
        "stripe_deleted_at": None if living else max(truth.deleted_at[id_] for id_ in customers),
    }
    expected |= _of_subscriptions(truth, subscriptions, main)
    expected |= _of_open_invoices(_of(truth.invoices, customers), currency, minor_units)
    if owner not in truth.deleted_at:
        # The remains of a customer do not tell which card it had.
        expected |= _of_card(truth, owner_payload, own)
    return expected


def monthly_amount(truth: Truth, subscription: Payload) -> Fraction:
    """Give what a subscription brings in a month, in minor units: lasting discounts off, metered prices apart."""
    items = subscription["items"]["data"]
    amount = sum((_item_amount(truth, item) / _months(item) for item in items), Fraction(0))
    first = next((item for item in items if not _is_metered(item)), items[0])
    for discount in subscription["discounts"]:
        coupon = _coupon(truth, discount)
        if coupon["duration"] != "forever":
            continue
        if coupon["percent_off"] is not None:
            amount *= 1 - Fraction(str(coupon["percent_off"])) / 100
        elif coupon["currency"] == subscription["currency"]:
            amount -= Fraction(coupon["amount_off"]) / _months(first)
    return max(amount, Fraction(0))


def _item_amount(truth: Truth, item: Payload) -> Fraction:
    price, quantity = item["price"], item["quantity"] or 0
    if _is_metered(item):
        return Fraction(0)
    if price["billing_scheme"] != "tiered":
        return Fraction(price["unit_amount_decimal"]) * quantity
    total, below = Fraction(0), 0
    for tier in truth.tiers[price["id"]]:
        top, unit, flat = tier["up_to"], tier["unit_amount"] or 0, tier["flat_amount"] or 0
        fits = top is None or quantity <= top
        if price["tiers_mode"] == "volume":
            if fits:
                return Fraction(unit * quantity + flat)
            continue
        reached = quantity if fits else top
        total += unit * (reached - below) + flat
        below = reached
        if fits:
            break
    return total


def _is_metered(item: Payload) -> bool:
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _months(item: Payload) -> Fraction:
    recurring = item["price"]["recurring"]
    return _MONTHS[recurring["interval"]] * int(recurring["interval_count"])


def _counts(subscription: Payload) -> bool:
    return subscription["status"] in ("active", "past_due")


def _preference(subscription: Payload) -> int:
    status = subscription["status"]
    return _PREFERENCE.index(status) if status in _PREFERENCE else _PREFERENCE.index("")


def _speaks_for(subscription: Payload) -> tuple[int, int, str]:
    return _preference(subscription), -subscription["start_date"], subscription["id"]


def _coupon(truth: Truth, discount_id: str) -> Payload:
    return truth.coupons[truth.discounts[discount_id]["source"]["coupon"]]


def _plan(truth: Truth, item: Payload) -> str:
    return str(truth.products[item["price"]["product"]]["name"])


def _of_subscriptions(truth: Truth, subscriptions: Sequence[Payload], main: Payload | None) -> dict[str, Any]:
    started = [each["start_date"] for each in subscriptions if not each["status"].startswith("incomplete")]
    going_on = [each for each in subscriptions if _preference(each) < _PREFERENCE.index("incomplete")]
    found: dict[str, Any] = {
        "subscriber_since": min(started, default=None),
        "plans": sorted({_plan(truth, item) for each in going_on for item in each["items"]["data"]}) or None,
    }
    if main is None:
        return found | dict.fromkeys(("plan", "subscription_status", "subscription_id", "quantity", "canceled_at"))
    items = main["items"]["data"]
    first = next((item for item in items if not _is_metered(item)), items[0])
    recurring = first["price"]["recurring"]
    counted = [item["quantity"] for item in items if not _is_metered(item)]
    ends = min(item["current_period_end"] for item in items)
    is_over = main["status"] in ("canceled", "incomplete_expired")
    many = f"{recurring['interval_count']} {recurring['interval']}s"
    found |= {
        "plan": _plan(truth, first),
        "subscription_status": main["status"],
        "subscription_id": main["id"],
        "quantity": sum(counted) if counted else None,
        "billing_interval": recurring["interval"] if recurring["interval_count"] == 1 else many,
        "trial_ends_at": main["trial_end"],
        "current_period_ends_at": None if is_over else ends,
        "cancel_at_period_end": None if is_over else main["cancel_at_period_end"],
        "cancels_at": None if is_over else main["cancel_at"] or (ends if main["cancel_at_period_end"] else None),
        "canceled_at": main["canceled_at"],
        "coupon": _coupon(truth, main["discounts"][0])["name"] if main["discounts"] else None,
    }
    return found


def _payments(truth: Truth, customers: Sequence[str]) -> Iterable[dict[str, Any]]:
    for charge in _of(truth.charges, customers):
        if charge["status"] == "succeeded" and charge["amount_captured"] > 0:
            # A disputed payment is taken back at once; whether it returns is known when the dispute is closed.
            kept = 0 if charge["disputed"] else charge["amount_captured"] - charge["amount_refunded"]
            yield {
                "at": charge["created"],
                "id": charge["id"],
                "currency": charge["currency"],
                "amount": charge["amount_captured"],
                "kept": kept,
                "card": (charge["payment_method_details"] or {}).get("card"),
            }
    for invoice in _of(truth.invoices, customers):
        outside = invoice.get("amount_paid_off_stripe") or 0
        if invoice["status"] == "paid" and outside > 0:
            at = invoice["status_transitions"]["paid_at"] or invoice["created"]
            yield {
                "at": at,
                "id": invoice["id"],
                "currency": invoice["currency"],
                "amount": outside,
                "kept": outside,
                "card": None,
            }


def _of_open_invoices(invoices: Iterable[Payload], currency: str | None, minor_units: int) -> dict[str, Any]:
    unpaid = [
        each
        for each in invoices
        if each["status"] == "open" and each["amount_remaining"] > 0 and each["currency"] == currency
    ]
    oldest = min(unpaid, key=lambda invoice: (invoice["created"], invoice["id"]), default=None)
    retries = [invoice["next_payment_attempt"] for invoice in unpaid if invoice["next_payment_attempt"]]
    return {
        "failed_payment_count": sum(invoice["attempt_count"] for invoice in unpaid if invoice["attempted"]),
        "next_payment_attempt_at": min(retries, default=None),
        "open_invoice_amount": _major(sum(invoice["amount_remaining"] for invoice in unpaid), minor_units),
        "open_invoice_url": oldest["hosted_invoice_url"] if oldest else None,
    }


def _of_card(truth: Truth, owner: Payload, payments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    default = owner["invoice_settings"]["default_payment_method"]
    card = truth.cards[default]["card"] if default else (payments[-1]["card"] if payments else None)
    if card is None:
        return dict.fromkeys(("card_brand", "card_last4", "card_expires_at"))
    year, month = divmod(card["exp_year"] * 12 + card["exp_month"], 12)
    return {
        "card_brand": card["brand"],
        "card_last4": card["last4"],
        "card_expires_at": int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()),
    }


def _of(by_customer: Mapping[str, list[Payload]], customers: Iterable[str]) -> list[Payload]:
    return [payload for id_ in customers for payload in by_customer.get(id_, ())]


def _minor_units(currency: str | None) -> int:
    if currency in _NO_DECIMALS:
        return 1
    return 1000 if currency in _THREE_DECIMALS else 100


def _major(amount: Fraction | int, minor_units: int) -> float:
    exact = Fraction(amount)
    whole = (Decimal(exact.numerator) / exact.denominator).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return float(whole / minor_units)
