-- One row per Stripe dispute: what a customer's bank contests of a charge. Only the charge tells whose it is.
with parsed as (
    select
        *,
        from_json(
            payload, '{"charge": "VARCHAR", "status": "VARCHAR", "amount": "BIGINT", "currency": "VARCHAR"}'
        ) as dispute
    from disputes
)

select
    id,
    created,
    expanded_id(dispute.charge) as charge_id,
    dispute.status as status,
    dispute.amount as amount,
    lower(dispute.currency) as currency
from parsed
