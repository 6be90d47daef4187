-- One row per tier of a price, in order, in each currency that the price has. `up_to` is null in the last tier; `above` is
-- where a tier begins.
with parsed as (
    select
        id,
        from_json(
            payload,
            '{"currency": "VARCHAR", "tiers": "JSON", "currency_options": "MAP(VARCHAR, STRUCT(tiers JSON))"}'
        ) as price
    from prices
),

in_currencies as (
    select id, lower(price.currency) as currency, price.tiers as tiers
    from parsed
    union all
    select id, currency, option.tiers as tiers
    from (
        select
            id,
            lower(price.currency) as own_currency,
            unnest(map_keys(price.currency_options)) as currency,
            unnest(map_values(price.currency_options)) as option
        from parsed
    )
    where currency <> own_currency
),

opened as (
    select
        id,
        currency,
        from_json(
            tiers,
            '[{
                "up_to": "BIGINT", "unit_amount": "BIGINT", "unit_amount_decimal": "VARCHAR",
                "flat_amount": "BIGINT", "flat_amount_decimal": "VARCHAR"
            }]'
        ) as tiers
    from in_currencies
    where tiers is not null
),

unnested as (
    select id, currency, unnest(tiers) as tier, generate_subscripts(tiers, 1) as position
    from opened
)

select
    id as price_id,
    currency,
    position,
    coalesce(lag(tier.up_to) over (partition by id, currency order by position), 0) as above,
    tier.up_to as up_to,
    coalesce(price_amount(tier.unit_amount_decimal), price_amount(tier.unit_amount), 0) as unit_amount,
    coalesce(price_amount(tier.flat_amount_decimal), price_amount(tier.flat_amount), 0) as flat_amount
from unnested
