-- One row per Stripe credit note. `amount_outside` is what it gave back outside Stripe; the rest are refunds, which the charge
-- tells too, and credit for the next invoices.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "customer": "VARCHAR", "invoice": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR",
                "out_of_band_amount": "BIGINT"
            }'
        ) as note
    from credit_notes
)

select
    id,
    coalesce(customer_id, expanded_id(note.customer)) as customer_id,
    created,
    expanded_id(note.invoice) as invoice_id,
    note.status as status,
    lower(note.currency) as currency,
    coalesce(note.out_of_band_amount, 0) as amount_outside
from parsed
