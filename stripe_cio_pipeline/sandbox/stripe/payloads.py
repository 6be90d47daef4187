"""Payloads of the catalog and of customers, in the shape of 2026-10-28.endive (stripe-api.md, sections 6 and 9)."""

from collections.abc import Mapping, Sequence
from typing import Any

from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def listed(url: str, rows: Sequence[Any], *, has_more: bool = False) -> Payload:
    """Make a list object."""
    return {"object": "list", "data": list(rows), "has_more": has_more, "url": url}


def account(*, id: str, created: int, name: str, country: str = "US") -> Payload:  # noqa: A002
    """Make the account itself, as `GET /v1/account` shows it."""
    return {
        "id": id,
        "object": "account",
        "business_profile": {
            "annual_revenue": None,
            "estimated_worker_count": None,
            "mcc": "5734",
            "name": name,
            "product_description": None,
            "support_address": None,
            "support_email": "support@example.com",
            "support_phone": None,
            "support_url": None,
            "url": "https://example.com",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": country,
        "created": created,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": listed(f"/v1/accounts/{id}/external_accounts", []),
        "future_requirements": _requirements(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": _requirements(),
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "EXAMPLE"},
            "payouts": {"debit_negative_balances": True, "schedule": {"delay_days": 2, "interval": "daily"}},
        },
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "standard",
    }


def _requirements() -> Payload:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }


def customer(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    invoice_prefix: str,
    **given: Any,
) -> Payload:
    """Make a customer; `given` are the fields that a caller may set."""
    payload: Payload = {
        "id": id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "business_name": None,
        "created": created,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "individual_name": None,
        "invoice_prefix": invoice_prefix,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": livemode,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    payload.update(given)
    return payload


CUSTOMER_FIELDS = frozenset(
    {
        "address",
        "balance",
        "business_name",
        "currency",
        "customer_account",
        "default_source",
        "delinquent",
        "description",
        "email",
        "individual_name",
        "invoice_settings",
        "metadata",
        "name",
        "phone",
        "preferred_locales",
        "shipping",
        "tax_exempt",
        "test_clock",
    }
)
"""What a caller may set on a customer."""


def payment_method(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    customer: str | None,
    brand: str,
    last4: str,
    exp_month: int,
    exp_year: int,
    country: str,
    fingerprint: str,
    email: str | None = None,
    name: str | None = None,
) -> Payload:
    """Make a card as a payment method."""
    return {
        "id": id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": {**NO_ADDRESS, "country": country},
            "email": email,
            "name": name,
            "phone": None,
            "tax_id": None,
        },
        "card": {
            "brand": brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "country": country,
            "display_brand": brand,
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": fingerprint,
            "funding": "credit",
            "generated_from": None,
            "last4": last4,
            "networks": {"available": [brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": created,
        "customer": customer,
        "customer_account": None,
        "livemode": livemode,
        "metadata": {},
        "type": "card",
    }


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
        "subscription_item": None,
    }
