"""Payment intents, charges, refunds, disputes and checkouts."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe.payloads.account import NO_ADDRESS
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload


def payment_intent(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    amount: int,
    currency: str,
    customer: str | None,
    payment_method: str | None,
    secret: str,
    description: str | None,
) -> Payload:
    """Make a payment intent, with the client secret that a careful reader does not store."""
    return {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{id}_secret_{secret}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": livemode,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": payment_method,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "status": "requires_confirmation",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    amount: int,
    currency: str,
    customer: str | None,
    payment_intent: str | None,
    method: Payload,
    balance_transaction: str,
    failure: tuple[str, str] | None,
    description: str | None,
    email: str | None,
) -> Payload:
    """Make a charge to a card; `failure` is the code and the message of a decline."""
    card = method["card"]
    paid = failure is None
    code, message = failure or (None, None)
    return {
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if paid else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": balance_transaction if paid else None,
        "billing_details": {**method["billing_details"], "email": email or method["billing_details"]["email"]},
        "calculated_statement_descriptor": "EXAMPLE",
        "captured": paid,
        "created": created,
        "currency": currency,
        "customer": customer,
        "description": description,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": code,
        "failure_message": message,
        "fraud_details": {},
        "livemode": livemode,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network" if paid else "declined_by_network",
            "reason": None if paid else code,
            "risk_level": "normal",
            "seller_message": "Payment complete." if paid else "The bank did not return any further details.",
            "type": "authorized" if paid else "issuer_declined",
        },
        "paid": paid,
        "payment_intent": payment_intent,
        "payment_method": method["id"],
        "payment_method_details": {
            "card": {
                "amount_authorized": amount if paid else None,
                "authorization_code": None,
                "brand": card["brand"],
                "checks": card["checks"],
                "country": card["country"],
                "exp_month": card["exp_month"],
                "exp_year": card["exp_year"],
                "fingerprint": card["fingerprint"],
                "funding": card["funding"],
                "installments": None,
                "last4": card["last4"],
                "mandate": None,
                "network": card["brand"],
                "network_token": {"used": False},
                "three_d_secure": None,
                "wallet": None,
            },
            "type": "card",
        },
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": f"https://pay.example.com/receipts/{id}" if paid else None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if paid else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }


def refund(*, id: str, created: int, charge: Payload, amount: int, balance_transaction: str) -> Payload:  # noqa: A002
    """Money given back from a charge."""
    return {
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": balance_transaction,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": "requested_by_customer",
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(
    *,
    id: str,  # noqa: A002
    created: int,
    charge: Payload,
    reason: str,
    amount: int,
    inquiry: bool = False,
) -> Payload:
    """Make a dispute: a charge that the customer's bank contests, or asks about first (an inquiry).

    It names no customer: only the charge does. Which money was moved stands in `balance_transactions`.
    """
    return {
        "id": id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"customer_email_address": None, "product_description": None, "uncategorized_text": None},
        "evidence_details": {
            "due_by": created + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": charge["livemode"],
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def moved(*, id: str, created: int, dispute: str, amount: int, currency: str) -> Payload:  # noqa: A002
    """Make the balance transaction by which a dispute takes money (a negative amount) or gives it back."""
    return {
        "id": id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created,
        "created": created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": amount,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "source": dispute,
        "status": "available",
        "type": "adjustment",
    }


def credit_note(
    *,
    id: str,  # noqa: A002
    created: int,
    invoice: Payload,
    number: str,
    amount: int,
    outside: int,
    refunds: list[Payload],
    balance_transaction: str | None,
) -> Payload:
    """Make a credit note to a paid invoice: `outside` was paid back past Stripe, the rest is refunds or balance."""
    id_ = id
    return {
        "id": id_,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": created,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": invoice["customer_account"],
        "customer_balance_transaction": balance_transaction,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": created,
        "invoice": invoice["id"],
        "lines": {"object": "list", "data": [], "has_more": False, "url": f"/v1/credit_notes/{id_}/lines"},
        "livemode": invoice["livemode"],
        "memo": None,
        "metadata": {},
        "number": number,
        "out_of_band_amount": outside or None,
        "pdf": f"https://invoice.example.com/{id_}/pdf",
        "post_payment_amount": amount,
        "pre_payment_amount": 0,
        "pretax_credit_amounts": [],
        "reason": None,
        "refunds": [{"amount_refunded": row["amount"], "refund": row["id"], "type": "refund"} for row in refunds],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": "post_payment",
        "voided_at": None,
    }


def checkout_session(
    *,
    id: str,  # noqa: A002
    created: int,
    livemode: bool,
    mode: str,
    amount: int,
    currency: str,
    customer: str | None,
    email: str | None,
    payment_intent: str | None,
    subscription: str | None,
    invoice: str | None,
) -> Payload:
    """Make a completed checkout; the only place where a guest's email stands, besides the charge."""
    details: dict[str, Any] = {
        "address": NO_ADDRESS,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    return {
        "id": id,
        "object": "checkout.session",
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": "https://example.com/cancel",
        "client_reference_id": None,
        "client_secret": None,
        "created": created,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "customer_creation": "if_required" if mode == "payment" else None,
        "customer_details": details,
        "customer_email": None,
        "discounts": [],
        "expires_at": created + 86_400,
        "invoice": invoice,
        "livemode": livemode,
        "locale": None,
        "metadata": {},
        "mode": mode,
        "payment_intent": payment_intent,
        "payment_link": None,
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "setup_intent": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "complete",
        "submit_type": None,
        "subscription": subscription,
        "success_url": "https://example.com/success",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted",
        "url": None,
    }
