-- One row per Stripe price: what an item of a subscription does not tell itself. `currency_options` has the amounts in other
-- currencies, by currency.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "product": "VARCHAR", "nickname": "VARCHAR", "lookup_key": "VARCHAR", "currency": "VARCHAR",
                "active": "BOOLEAN", "metadata": "JSON",
                "currency_options": "MAP(VARCHAR, STRUCT(unit_amount BIGINT, unit_amount_decimal VARCHAR))"
            }'
        ) as price
    from prices
)

select
    id,
    created,
    deleted,
    expanded_id(price.product) as product_id,
    nullif(trim(price.nickname), '') as nickname,
    nullif(trim(price.lookup_key), '') as lookup_key,
    lower(price.currency) as currency,
    price.active as active,
    price.currency_options as currency_options,
    price.metadata as metadata
from parsed
