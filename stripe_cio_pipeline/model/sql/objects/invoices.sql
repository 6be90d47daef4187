-- One row per Stripe invoice. The subscription stands in `subscription` up to acacia, in `parent` since basil.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "customer": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR", "number": "VARCHAR",
                "amount_due": "BIGINT", "amount_paid": "BIGINT", "amount_remaining": "BIGINT",
                "amount_paid_off_stripe": "BIGINT", "paid_out_of_band": "BOOLEAN", "total": "BIGINT",
                "attempt_count": "BIGINT", "attempted": "BOOLEAN", "next_payment_attempt": "BIGINT",
                "due_date": "BIGINT", "billing_reason": "VARCHAR", "collection_method": "VARCHAR",
                "hosted_invoice_url": "VARCHAR", "subscription": "VARCHAR",
                "post_payment_credit_notes_amount": "BIGINT",
                "parent": {"subscription_details": {"subscription": "VARCHAR"}},
                "status_transitions": {"paid_at": "BIGINT", "finalized_at": "BIGINT"}
            }'
        ) as invoice
    from invoices
)

select
    id,
    coalesce(customer_id, expanded_id(invoice.customer)) as customer_id,
    created,
    livemode,
    deleted,
    invoice.status as status,
    lower(invoice.currency) as currency,
    invoice.number as number,
    invoice.amount_due as amount_due,
    invoice.amount_paid as amount_paid,
    invoice.amount_remaining as amount_remaining,
    coalesce(
        invoice.amount_paid_off_stripe, case when invoice.paid_out_of_band then invoice.amount_due end, 0
    ) as amount_paid_off_stripe,
    invoice.post_payment_credit_notes_amount as amount_credited,
    invoice.total as total,
    coalesce(invoice.attempt_count, 0) as attempt_count,
    coalesce(invoice.attempted, false) as attempted,
    invoice.next_payment_attempt as next_payment_attempt,
    invoice.due_date as due_date,
    invoice.billing_reason as billing_reason,
    invoice.collection_method as collection_method,
    nullif(trim(invoice.hosted_invoice_url), '') as hosted_invoice_url,
    expanded_id(
        coalesce(invoice.parent.subscription_details.subscription, invoice.subscription)
    ) as subscription_id,
    invoice.status_transitions.finalized_at as finalized_at,
    invoice.status_transitions.paid_at as paid_at,
    as_of,
    source_event_id,
    seq
from parsed
