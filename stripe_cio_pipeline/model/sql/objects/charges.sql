-- One row per Stripe charge. A guest's charge has no customer and so belongs to nobody.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "customer": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR", "amount": "BIGINT",
                "amount_captured": "BIGINT", "amount_refunded": "BIGINT", "captured": "BOOLEAN", "paid": "BOOLEAN",
                "disputed": "BOOLEAN", "dispute": {"status": "VARCHAR"}, "failure_code": "VARCHAR", "receipt_url": "VARCHAR",
                "payment_method_details": {
                    "card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}
                }
            }'
        ) as charge
    from charges
)

select
    id,
    coalesce(customer_id, expanded_id(charge.customer)) as customer_id,
    created,
    livemode,
    deleted,
    charge.status as status,
    lower(charge.currency) as currency,
    charge.amount as amount,
    coalesce(
        charge.amount_captured, case coalesce(charge.captured, charge.paid) when true then charge.amount when false then 0 end
    ) as amount_captured,
    -- What Stripe releases of an amount that is captured in part counts as refunded there, and was never paid.
    greatest(
        coalesce(charge.amount_refunded, 0) - greatest(charge.amount - coalesce(charge.amount_captured, charge.amount), 0), 0
    ) as amount_refunded,
    coalesce(charge.disputed, false) as disputed,
    charge.dispute.status as dispute_status,
    charge.failure_code as failure_code,
    charge.receipt_url as receipt_url,
    struct_pack(
        brand := lower(nullif(trim(charge.payment_method_details.card.brand), '')),
        last4 := nullif(trim(charge.payment_method_details.card.last4), ''),
        exp_year := charge.payment_method_details.card.exp_year,
        exp_month := charge.payment_method_details.card.exp_month
    ) as card,
    as_of,
    source_event_id,
    seq
from parsed
