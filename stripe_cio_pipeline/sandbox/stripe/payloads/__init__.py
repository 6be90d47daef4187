"""Payloads in the shape of 2026-10-28.endive (stripe-api.md, sections 5, 6 and 9): one function per object.

Moments are unix seconds, amounts are in the currency's minor unit.
"""

from stripe_cio_pipeline.sandbox.stripe.payloads.account import NO_ADDRESS, account, listed
from stripe_cio_pipeline.sandbox.stripe.payloads.catalog import (
    coupon,
    currency_option,
    discount,
    own_currency,
    plan_of,
    price,
    product,
    test_clock,
)
from stripe_cio_pipeline.sandbox.stripe.payloads.customers import (
    CUSTOMER_FIELDS,
    card,
    customer,
    method_of,
    payment_method,
)
from stripe_cio_pipeline.sandbox.stripe.payloads.invoices import (
    invoice,
    invoice_payment,
    line_item,
    payment_outside,
    settle_balance,
    tax_inside,
    tax_rate,
)
from stripe_cio_pipeline.sandbox.stripe.payloads.payments import (
    charge,
    checkout_session,
    credit_note,
    dispute,
    moved,
    payment_intent,
    refund,
)
from stripe_cio_pipeline.sandbox.stripe.payloads.subscriptions import subscription, subscription_item

__all__ = [
    "CUSTOMER_FIELDS",
    "NO_ADDRESS",
    "account",
    "card",
    "charge",
    "checkout_session",
    "coupon",
    "credit_note",
    "currency_option",
    "customer",
    "discount",
    "dispute",
    "invoice",
    "invoice_payment",
    "line_item",
    "listed",
    "method_of",
    "moved",
    "own_currency",
    "payment_intent",
    "payment_method",
    "payment_outside",
    "plan_of",
    "price",
    "product",
    "refund",
    "settle_balance",
    "subscription",
    "subscription_item",
    "tax_inside",
    "tax_rate",
    "test_clock",
]
