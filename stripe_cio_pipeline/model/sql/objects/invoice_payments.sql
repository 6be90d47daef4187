-- One row per payment of an invoice. One of type `payment_record` was made outside Stripe: the others have a charge. Only the
-- invoice tells whose it is.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "invoice": "VARCHAR", "status": "VARCHAR", "amount_paid": "BIGINT", "currency": "VARCHAR",
                "payment": {"type": "VARCHAR"}, "status_transitions": {"paid_at": "BIGINT"}
            }'
        ) as payment
    from invoice_payments
)

select
    id,
    created,
    expanded_id(payment.invoice) as invoice_id,
    payment.status as status,
    payment.payment.type as type,
    payment.amount_paid as amount,
    lower(payment.currency) as currency,
    payment.status_transitions.paid_at as paid_at
from parsed
