"""Amounts in minor units: what a price costs, and what a coupon takes off."""

from collections.abc import Mapping, Sequence

from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

ZERO_DECIMAL = frozenset({"jpy", "krw", "clp", "vnd", "xof"})
THREE_DECIMAL = frozenset({"kwd", "bhd", "jod", "omr", "tnd"})


def minor(dollars: float, currency: str) -> int:
    """Return about that many dollars in a currency's minor unit, rounded as prices are.

    Three-decimal amounts are multiples of ten, as card networks demand.
    """
    if currency in ZERO_DECIMAL:
        return round(dollars * 150)
    if currency in THREE_DECIMAL:
        return round(dollars * 0.3 * 100) * 10
    return round(dollars * 100)


def price_amount(price: Payload, quantity: int, tiers: Sequence[Payload] = ()) -> int:
    """Return what a quantity of a price costs for one interval."""
    transform = price["transform_quantity"]
    if transform is not None:
        whole, rest = divmod(quantity, transform["divide_by"])
        quantity = whole + (1 if rest and transform["round"] == "up" else 0)
    if price["billing_scheme"] == "per_unit":
        return int((price["unit_amount"] or 0) * quantity)
    if price["tiers_mode"] == "volume":
        return _volume(quantity, tiers)
    return _graduated(quantity, tiers)


def _volume(quantity: int, tiers: Sequence[Payload]) -> int:
    for tier in tiers:
        if tier["up_to"] is None or quantity <= tier["up_to"]:
            return int((tier["unit_amount"] or 0) * quantity + (tier["flat_amount"] or 0))
    return 0


def _graduated(quantity: int, tiers: Sequence[Payload]) -> int:
    total: int = 0
    below = 0
    for tier in tiers:
        top = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if top > below:
            total += (tier["unit_amount"] or 0) * (top - below) + (tier["flat_amount"] or 0)
            below = top
    return int(total)


def taken_off(coupon: Payload, amount: int, currency: str, options: Mapping[str, Payload]) -> int:
    """Return how much a coupon takes off an amount, never more than the amount; `options` are its other currencies."""
    if coupon["percent_off"] is not None:
        return max(0, round(amount * float(coupon["percent_off"]) / 100))
    off = coupon["amount_off"] if coupon["currency"] == currency else options.get(currency, {}).get("amount_off")
    return max(0, min(amount, int(off or 0)))
