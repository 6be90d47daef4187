-- One row per Stripe price: what an item of a subscription does not tell itself.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "product": "VARCHAR", "nickname": "VARCHAR", "lookup_key": "VARCHAR", "currency": "VARCHAR",
                "active": "BOOLEAN", "metadata": "JSON", "currency_options": "JSON"
            }'
        ) as price
    from prices
)

select
    id,
    created,
    deleted,
    expanded_id(price.product) as product_id,
    price.nickname as nickname,
    price.lookup_key as lookup_key,
    lower(price.currency) as currency,
    price.active as active,
    price.currency_options as currency_options,
    price.metadata as metadata
from parsed
