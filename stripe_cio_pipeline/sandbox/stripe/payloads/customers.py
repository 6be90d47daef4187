"""Customers and their cards."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe.payloads.account import NO_ADDRESS
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload


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


def card(*, id: str, customer: str, method: Payload) -> Payload:  # noqa: A002
    """Make a card of the old kind, a source, from a payment method. Its brand is a name, such as `Visa`."""
    told = method["card"]
    return {
        "id": id,
        "object": "card",
        "address_city": None,
        "address_country": None,
        "address_line1": None,
        "address_line1_check": None,
        "address_line2": None,
        "address_state": None,
        "address_zip": None,
        "address_zip_check": None,
        "brand": _NAMES.get(told["brand"], told["brand"].title()),
        "country": told["country"],
        "customer": customer,
        "cvc_check": "pass",
        "dynamic_last4": None,
        "exp_month": told["exp_month"],
        "exp_year": told["exp_year"],
        "fingerprint": told["fingerprint"],
        "funding": told["funding"],
        "last4": told["last4"],
        "metadata": {},
        "name": method["billing_details"]["name"],
        "regulated_status": "unregulated",
        "tokenization_method": None,
        "wallet": None,
    }


_NAMES = {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}


def method_of(card: Payload) -> Payload:
    """Return what a charge takes from a payment method, of a card of the old kind."""
    brands = {name: brand for brand, name in _NAMES.items()}
    return payment_method(
        id=card["id"],
        created=0,
        livemode=False,
        customer=card["customer"],
        brand=brands.get(card["brand"], card["brand"].lower()),
        last4=card["last4"],
        exp_month=card["exp_month"],
        exp_year=card["exp_year"],
        country=card["country"],
        fingerprint=card["fingerprint"],
        name=card["name"],
    )
