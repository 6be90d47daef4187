"""MRR computed a second time, in exact fractions and without SQL, to check the model against: in the demo and in tests.

It is written from Stripe's pages, and makes the invoices that a subscription leads to in a round of its intervals: what
they are over, without tax, is what comes in. Nothing here knows the pipeline's SQL, its tables or its settings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

Payload = Mapping[str, Any]

#: docs.stripe.com/currencies: amounts are in the smallest unit, for these in whole units or in thousandths.
ZERO_DECIMALS = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


@dataclass(frozen=True, slots=True)
class Served:
    """What Stripe's API gives of an account, with everything expanded that can be.

    `discounts` holds discounts whose coupon is an object, by id: a subscription may name a discount or hold it.
    """

    discounts: Mapping[str, Payload]
    prices: Mapping[str, Payload]
    coupons: Mapping[str, Payload]
    invoices: Sequence[Payload]


def mrr(served: Served, subscriptions: Iterable[Payload], currency: str | None) -> Fraction:
    """Give what subscriptions bring in a month, in units of the currency, rounded half up to its smallest unit."""
    total = sum(
        (
            monthly_amount(served, subscription)
            for subscription in subscriptions
            if subscription["status"] in {"active", "past_due"} and subscription["currency"] == currency
        ),
        Fraction(0),
    )
    # Thirds of a cent that add up to a half are one: the model keeps millionths.
    return Fraction(int(round(total, 6) + Fraction(1, 2)), minor_units(currency))


def minor_units(currency: str | None) -> int:
    """Give how many of Stripe's smallest units one unit of a currency has."""
    return 1 if currency in ZERO_DECIMALS else 1000 if currency in THREE_DECIMALS else 100


def monthly_amount(served: Served, subscription: Payload) -> Fraction:
    """Give what a subscription brings in a month, in minor units, whatever its status."""
    items = subscription["items"]["data"]
    every = [_months_between(item["price"]["recurring"]) for item in items]
    if all(months is not None for months in every):
        spans = [months for months in every if months is not None]
        round_of_intervals = lcm(*spans)
        billed = [
            [item for item, months in zip(items, spans, strict=True) if month % months == 0]
            for month in range(round_of_intervals)
        ]
        return sum((_invoice(served, subscription, some) for some in billed), Fraction(0)) / round_of_intervals
    (recurring,) = {
        (item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"]) for item in items
    }
    a_month = Fraction({"week": 52, "day": 365}[recurring[0]], 12 * recurring[1])
    return _invoice(served, subscription, items) * a_month


def _months_between(recurring: Payload) -> int | None:
    months = {"month": 1, "year": 12}.get(recurring["interval"])
    return None if months is None else months * int(recurring["interval_count"])


def _invoice(served: Served, subscription: Payload, items: Sequence[Payload]) -> Fraction:
    """Give what an invoice over these items comes to, without tax."""
    currency = subscription["currency"]
    costs = [_cost(served, item, currency) for item in items]
    for place, item in enumerate(items):
        for coupon in _lasting(served, item.get("discounts") or []):
            (costs[place],) = _after(coupon, currency, [item], [costs[place]])
    for coupon in _lasting(served, subscription["discounts"]):
        costs = _after(coupon, currency, items, costs)
    return sum(
        (cost / (1 + _tax_inside(served, subscription, item) / 100) for item, cost in zip(items, costs, strict=True)),
        Fraction(0),
    )


def _after(coupon: Payload, currency: str, items: Sequence[Payload], costs: list[Fraction]) -> list[Fraction]:
    """Take a coupon off: a percentage of each item that it is for, or an amount that these share in proportion."""
    products = (coupon.get("applies_to") or {}).get("products")
    meant = [products is None or item["price"]["product"] in products for item in items]
    whole = sum((cost for cost, is_meant in zip(costs, meant, strict=True) if is_meant), Fraction(0))
    if coupon["percent_off"] is not None:
        left = 1 - Fraction(str(coupon["percent_off"])) / 100
    elif whole == 0:
        left = Fraction(1)
    elif coupon["currency"] == currency:
        left = max(1 - coupon["amount_off"] / whole, Fraction(0))
    else:
        left = max(1 - coupon["currency_options"][currency]["amount_off"] / whole, Fraction(0))
    return [cost * left if is_meant else cost for cost, is_meant in zip(costs, meant, strict=True)]


def _lasting(served: Served, discounts: Sequence[Payload | str]) -> list[Payload]:
    """Give the forever coupons, with what only the coupon itself tells. The discount's own terms go before."""
    opened = [served.discounts[each] if isinstance(each, str) else each for each in discounts]
    coupons = [discount["source"]["coupon"] for discount in opened]
    return [{**served.coupons.get(coupon["id"], {}), **coupon} for coupon in coupons if coupon["duration"] == "forever"]


def _tax_inside(served: Served, subscription: Payload, item: Payload) -> Fraction:
    """Give the percentage of tax in an item's price."""
    rates = item.get("tax_rates") or subscription.get("default_tax_rates")
    if rates:
        return sum((Fraction(str(rate["percentage"])) for rate in rates if rate["inclusive"]), Fraction(0))
    for invoice in sorted(served.invoices, key=lambda invoice: invoice["created"], reverse=True):
        for line in invoice["lines"]["data"]:
            named = (line.get("parent") or {}).get("subscription_item_details") or {}
            if named.get("subscription_item") == item["id"] and line.get("taxes"):
                return sum(
                    (
                        Fraction(100 * tax["amount"], tax["taxable_amount"])
                        for tax in line["taxes"]
                        if tax["tax_behavior"] == "inclusive"
                    ),
                    Fraction(0),
                )
    return Fraction(0)


def _cost(served: Served, item: Payload, currency: str) -> Fraction:
    price = item["price"]
    if price["recurring"]["usage_type"] == "metered":
        return Fraction(0)
    quantity = 1 if item.get("quantity") is None else item["quantity"]
    amounts = price if price["currency"] == currency else served.prices[price["id"]]["currency_options"][currency]
    if price["billing_scheme"] == "tiered":
        whole = served.prices[price["id"]]
        tiers = (whole if price["currency"] == currency else amounts)["tiers"]
        return _tiered(price["tiers_mode"], tiers, quantity)
    packages = price.get("transform_quantity")
    if packages:
        exact = Fraction(quantity, packages["divide_by"])
        quantity = -int(-exact // 1) if packages["round"] == "up" else int(exact // 1)
    return Fraction(amounts["unit_amount_decimal"]) * quantity


def _tiered(mode: str, tiers: Sequence[Payload], quantity: int) -> Fraction:
    if mode == "volume":
        tier = next(tier for tier in tiers if tier["up_to"] is None or quantity <= tier["up_to"])
        return Fraction(tier["unit_amount"] or 0) * quantity + (tier["flat_amount"] or 0)
    amount, begin = Fraction(0), 0
    for place, tier in enumerate(tiers):
        end = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if quantity > begin or place == 0:
            amount += max(end - begin, 0) * Fraction(tier["unit_amount"] or 0) + (tier["flat_amount"] or 0)
        begin = tier["up_to"] or begin
    return amount
