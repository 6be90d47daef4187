-- One row per Stripe product.
with parsed as (
    select
        *,
        from_json(payload, '{"name": "VARCHAR", "active": "BOOLEAN", "metadata": "JSON"}') as product
    from products
)

select
    id,
    created,
    deleted,
    nullif(trim(product.name), '') as name,
    product.active as active,
    product.metadata as metadata
from parsed
