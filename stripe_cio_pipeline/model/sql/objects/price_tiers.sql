-- One row per tier of a price, in order. `up_to` is null in the last tier; `above` is where a tier begins.
with parsed as (
    select
        id,
        from_json(
            payload,
            '{
                "tiers": [{
                    "up_to": "BIGINT", "unit_amount": "BIGINT", "unit_amount_decimal": "VARCHAR",
                    "flat_amount": "BIGINT", "flat_amount_decimal": "VARCHAR"
                }]
            }'
        ).tiers as tiers
    from prices
),

unnested as (
    select id, unnest(tiers) as tier, generate_subscripts(tiers, 1) as position
    from parsed
)

select
    id as price_id,
    position,
    coalesce(lag(tier.up_to) over (partition by id order by position), 0) as above,
    tier.up_to as up_to,
    coalesce(price_amount(tier.unit_amount_decimal), price_amount(tier.unit_amount), 0) as unit_amount,
    coalesce(price_amount(tier.flat_amount_decimal), price_amount(tier.flat_amount), 0) as flat_amount
from unnested
