"""Products, prices, coupons and discounts."""

from collections.abc import Mapping
from typing import Any

from stripe_cio_pipeline.sandbox.stripe.shelf import Payload


def product(*, id: str, created: int, livemode: bool, name: str, **given: Any) -> Payload:  # noqa: A002
    """Make a product: what a plan is called."""
    payload: Payload = {
        "id": id,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": livemode,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "tax_details": None,
        "type": "service",
        "unit_label": None,
        "updated": created,
        "url": None,
    }
    payload.update(given)
    return payload


def price(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    product: str,
    currency: str,
    unit_amount: int | None,
    interval: str | None = "month",
    interval_count: int = 1,
    usage_type: str = "licensed",
    meter: str | None = None,
    tiers_mode: str | None = None,
    transform_quantity: Mapping[str, Any] | None = None,
    nickname: str | None = None,
    lookup_key: str | None = None,
    **given: Any,
) -> Payload:
    """Make a price; without an interval it is paid once. Tiers only come when expanded."""
    recurring = None
    if interval is not None:
        recurring = {
            "interval": interval,
            "interval_count": interval_count,
            "meter": meter,
            "trial_period_days": None,
            "usage_type": usage_type,
        }
    payload: Payload = {
        "id": id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit" if tiers_mode is None else "tiered",
        "created": created,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": livemode,
        "lookup_key": lookup_key,
        "metadata": {},
        "nickname": nickname,
        "product": product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": tiers_mode,
        "transform_quantity": transform_quantity,
        "type": "one_time" if recurring is None else "recurring",
        "unit_amount": unit_amount,
        "unit_amount_decimal": None if unit_amount is None else str(unit_amount),
    }
    payload.update(given)
    return payload


def own_currency(payload: Payload) -> dict[str, Payload]:
    """Return what `currency_options` says of the currency that a price or coupon has by itself."""
    currency = payload.get("currency")
    if currency is None or payload.get("percent_off") is not None:
        return {}
    if payload["object"] == "coupon":
        return {currency: {"amount_off": payload["amount_off"]}}
    names = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {currency: {name: payload[name] for name in names}}


def currency_option(unit_amount: int | None) -> Payload:
    """Make what a price costs in one more currency."""
    return {
        "custom_unit_amount": None,
        "tax_behavior": "unspecified",
        "unit_amount": unit_amount,
        "unit_amount_decimal": None if unit_amount is None else str(unit_amount),
    }


def plan_of(price: Payload) -> Payload:
    """Return the legacy plan that mirrors a recurring price."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type"),
    }


def test_clock(*, id: str, created: int, livemode: bool, name: str) -> Payload:  # noqa: A002
    """Make a test clock: what hangs on it lives in another time, and is left out of lists."""
    return {
        "id": id,
        "object": "test_helpers.test_clock",
        "created": created,
        "deletes_after": created + 30 * 86_400,
        "frozen_time": created,
        "livemode": livemode,
        "name": name,
        "status": "ready",
        "status_details": {},
    }


def coupon(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    duration: str,
    name: str | None = None,
    percent_off: float | None = None,
    amount_off: int | None = None,
    currency: str | None = None,
    duration_in_months: int | None = None,
    **given: Any,
) -> Payload:
    """Make a coupon: `duration` is forever, once or repeating."""
    payload: Payload = {
        "id": id,
        "object": "coupon",
        "amount_off": amount_off,
        "created": created,
        "currency": currency,
        "duration": duration,
        "duration_in_months": duration_in_months,
        "livemode": livemode,
        "max_redemptions": None,
        "metadata": {},
        "name": name,
        "percent_off": percent_off,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }
    payload.update(given)
    return payload


def discount(
    *,
    id: str,  # noqa: A002
    coupon: str,
    customer: str,
    subscription: str | None,
    start: int,
    end: int | None,
    item: str | None = None,
) -> Payload:
    """Put a coupon to work on a customer or subscription. It cannot be fetched by id, only expanded."""
    return {
        "id": id,
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon, "type": "coupon"},
        "start": start,
        "subscription": subscription,
        "subscription_item": item,
    }
