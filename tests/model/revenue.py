"""MRR computed a second time, in exact fractions and without SQL, to check the model against."""

from fractions import Fraction
from typing import Any

Payload = dict[str, Any]

ZERO_DECIMALS = {
    "bif",
    "clp",
    "djf",
    "gnf",
    "jpy",
    "kmf",
    "krw",
    "mga",
    "pyg",
    "rwf",
    "vnd",
    "vuv",
    "xaf",
    "xof",
    "xpf",
}
THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


def mrr(subscriptions: list[Payload], prices: list[Payload], currency: str) -> Fraction:
    """Give the MRR in units of the currency, rounded half up to its smallest unit."""
    tiers = {price["id"]: price.get("tiers", []) for price in prices}
    total = sum(
        (
            _of_subscription(subscription, tiers)
            for subscription in subscriptions
            if subscription["status"] in {"active", "past_due"} and subscription["currency"] == currency
        ),
        Fraction(0),
    )
    minor = int(total + Fraction(1, 2))
    return Fraction(minor, 1 if currency in ZERO_DECIMALS else 1000 if currency in THREE_DECIMALS else 100)


def _of_subscription(subscription: Payload, tiers: dict[str, list[Payload]]) -> Fraction:
    items = subscription["items"]["data"]
    total = sum((_of_item(item, tiers) for item in items), Fraction(0))
    licensed = [item for item in items if not _metered(item)] or items
    for coupon in _lasting(subscription.get("discounts", [])):
        if coupon.get("percent_off") is not None:
            total *= 1 - Fraction(str(coupon["percent_off"])) / 100
        elif coupon["currency"] == subscription["currency"]:
            total -= Fraction(coupon["amount_off"]) * _months(licensed[0]["price"]["recurring"])
        total = max(total, Fraction(0))
    return total


def _of_item(item: Payload, tiers: dict[str, list[Payload]]) -> Fraction:
    if _metered(item):
        return Fraction(0)
    price, quantity = item["price"], item["quantity"]
    if price.get("billing_scheme") == "tiered":
        amount = _tiered(price["tiers_mode"], tiers[price["id"]], quantity)
    else:
        packages = price.get("transform_quantity")
        if packages:
            exact = Fraction(quantity, packages["divide_by"])
            quantity = -int(-exact // 1) if packages["round"] == "up" else int(exact // 1)
        amount = Fraction(price["unit_amount_decimal"]) * quantity
    for coupon in _lasting(item.get("discounts", [])):
        amount *= 1 - Fraction(str(coupon["percent_off"])) / 100
    return amount * _months(price["recurring"])


def _tiered(mode: str, tiers: list[Payload], quantity: int) -> Fraction:
    if mode == "volume":
        tier = next(tier for tier in tiers if tier["up_to"] is None or quantity <= tier["up_to"])
        return Fraction(tier["unit_amount"]) * quantity + tier["flat_amount"]
    amount, begin = Fraction(0), 0
    for place, tier in enumerate(tiers):
        end = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if quantity > begin or place == 0:
            amount += max(end - begin, 0) * Fraction(tier["unit_amount"]) + tier["flat_amount"]
        begin = tier["up_to"] or begin
    return amount


def _months(recurring: Payload) -> Fraction:
    month = {"month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(52, 12), "day": Fraction(365, 12)}
    return month[recurring["interval"]] / recurring["interval_count"]


def _metered(item: Payload) -> bool:
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _lasting(discounts: list[Payload]) -> list[Payload]:
    coupons = [discount["source"]["coupon"] for discount in discounts]
    return [coupon for coupon in coupons if coupon["duration"] == "forever"]
