"""Invoices, their lines, and what links them to payments."""

from collections.abc import Sequence

from stripe_cio_pipeline.sandbox.stripe.shelf import Payload


def line_item(
    *,
    id: str,  # noqa: A002
    invoice: str,
    amount: int,
    currency: str,
    description: str,
    livemode: bool,
    subscription: str | None,
    item: str | None,
    price: Payload | None,
    quantity: int | None,
    start: int,
    end: int,
    proration: bool = False,
) -> Payload:
    """One line of an invoice. What it is for stands in `parent` and `pricing` since basil."""
    parent = None
    if subscription is not None:
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": subscription,
                "subscription_item": item,
            },
            "type": "subscription_item_details",
        }
    pricing = None
    if price is not None:
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    return {
        "id": id,
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": invoice,
        "livemode": livemode,
        "metadata": {},
        "parent": parent,
        "period": {"end": end, "start": start},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }


def invoice(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    currency: str,
    customer: Payload,
    subscription: str | None,
    lines: Payload,
    subtotal: int,
    discount_amounts: Sequence[Payload] = (),
    discounts: Sequence[str] = (),
    starting_balance: int = 0,
    billing_reason: str,
    collection_method: str = "charge_automatically",
    start: int,
    end: int,
    account_name: str = "Example Ltd",
) -> Payload:
    """Make a draft invoice. Amounts are in the currency's minor unit; a negative balance is credit."""
    total = subtotal - sum(entry["amount"] for entry in discount_amounts)
    due, ending_balance = settle_balance(total, starting_balance)
    parent = None
    if subscription is not None:
        parent = {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": subscription},
            "type": "subscription_details",
        }
    return {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": account_name,
        "account_tax_ids": None,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": created + 3600,
        "billing_reason": billing_reason,
        "collection_method": collection_method,
        "created": created,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": customer["customer_account"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": list(discounts),
        "due_date": created + 30 * 86_400 if collection_method == "send_invoice" else None,
        "effective_at": None,
        "ending_balance": ending_balance,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": lines,
        "livemode": livemode,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": parent,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": starting_balance,
        "statement_descriptor": None,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "test_clock": customer["test_clock"],
        "threshold_reason": None,
        "total": total,
        "total_discount_amounts": list(discount_amounts),
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def settle_balance(total: int, balance: int) -> tuple[int, int]:
    """Return (amount due, balance afterwards): credit pays an invoice, and a negative total becomes credit."""
    after = balance + total
    return (after, 0) if after > 0 else (0, after)


def invoice_payment(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    invoice: str,
    amount: int,
    currency: str,
    intent: str,
) -> Payload:
    """Link an invoice to a payment intent: the only link since basil."""
    return {
        "id": id,
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": created,
        "currency": currency,
        "invoice": invoice,
        "is_default": True,
        "livemode": livemode,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def payment_outside(
    *,
    id: str,  # noqa: A002
    created: int,
    invoice: Payload,
    amount: int,
    record: str,
) -> Payload:
    """Record a payment of an invoice that was made past Stripe: a payment record takes the place of the intent."""
    return {
        "id": id,
        "object": "invoice_payment",
        "amount_paid": amount,
        "amount_requested": amount,
        "created": created,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": False,
        "livemode": invoice["livemode"],
        "payment": {"payment_record": record, "type": "payment_record"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": created},
    }


def tax_rate(*, id: str, created: int, livemode: bool, percentage: float) -> Payload:  # noqa: A002
    """Make a rate of tax that prices include."""
    return {
        "id": id,
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": created,
        "description": None,
        "display_name": "VAT",
        "effective_percentage": percentage,
        "flat_amount": None,
        "inclusive": True,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": livemode,
        "metadata": {},
        "percentage": percentage,
        "rate_type": "percentage",
        "state": None,
        "tax_type": "vat",
    }


def tax_inside(line: Payload, rate: Payload) -> Payload:
    """Return what a line says of a tax that its amount includes."""
    untaxed = round(line["amount"] * 100 / (100 + rate["percentage"]))
    return {
        "amount": line["amount"] - untaxed,
        "tax_behavior": "inclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "standard_rated",
        "taxable_amount": untaxed,
        "type": "tax_rate_details",
    }
