"""Subscriptions and their items."""

from collections.abc import Sequence

from stripe_cio_pipeline.sandbox.stripe.payloads.catalog import plan_of
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload


def subscription_item(
    *,
    id: str,  # noqa: A002
    created: int,
    subscription: str,
    price: Payload,
    quantity: int | None,
    start: int,
    end: int,
) -> Payload:
    """One line of a subscription; a metered price has no quantity. The period lies here since basil."""
    return {
        "id": id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": created,
        "current_period_end": end,
        "current_period_start": start,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    }


def subscription(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    customer: str,
    currency: str,
    items: Payload,
    status: str,
    customer_account: str | None = None,
    default_payment_method: str | None = None,
    discounts: Sequence[str] = (),
    latest_invoice: str | None = None,
    collection_method: str = "charge_automatically",
    trial_start: int | None = None,
    trial_end: int | None = None,
    billing_cycle_anchor: int | None = None,
    test_clock: str | None = None,
) -> Payload:
    """Make a subscription; `items` is the list object with its subscription items."""
    return {
        "id": id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": billing_cycle_anchor or created,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        "collection_method": collection_method,
        "created": created,
        "currency": currency,
        "customer": customer,
        "customer_account": customer_account,
        "days_until_due": 30 if collection_method == "send_invoice" else None,
        "default_payment_method": default_payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": list(discounts),
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": items,
        "latest_invoice": latest_invoice,
        "livemode": livemode,
        "managed_payments": None,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "presentment_details": None,
        "schedule": None,
        "start_date": created,
        "status": status,
        "status_details": None,
        "test_clock": test_clock,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": trial_start,
    }
