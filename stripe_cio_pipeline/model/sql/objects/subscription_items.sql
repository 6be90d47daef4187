-- One row per item of a subscription, with the price as it stands in the item (`plan` in old API versions). Tiers and
-- other currencies of a price stand only in `prices` and `price_tiers`. `subscription_currency` is what is billed in.
-- `inclusive_tax` is the percentage of tax that is in the amount, by the item's own tax rates or the subscription's; null
-- where there are none. A licensed item without a quantity is one.
with parsed as (
    select
        id,
        customer_id,
        from_json(
            payload,
            '{
                "currency": "VARCHAR", "default_tax_rates": [{"inclusive": "BOOLEAN", "percentage": "DOUBLE"}],
                "items": {
                    "data": [{
                        "id": "VARCHAR", "quantity": "BIGINT", "current_period_end": "BIGINT",
                        "tax_rates": [{"inclusive": "BOOLEAN", "percentage": "DOUBLE"}],
                        "price": {
                            "id": "VARCHAR", "product": "VARCHAR", "nickname": "VARCHAR", "lookup_key": "VARCHAR",
                            "currency": "VARCHAR", "unit_amount": "BIGINT", "unit_amount_decimal": "VARCHAR",
                            "billing_scheme": "VARCHAR", "tiers_mode": "VARCHAR", "tax_behavior": "VARCHAR",
                            "recurring": {"interval": "VARCHAR", "interval_count": "BIGINT", "usage_type": "VARCHAR"},
                            "transform_quantity": {"divide_by": "BIGINT", "round": "VARCHAR"}
                        },
                        "plan": {
                            "id": "VARCHAR", "product": "VARCHAR", "nickname": "VARCHAR", "currency": "VARCHAR",
                            "amount": "BIGINT", "amount_decimal": "VARCHAR", "billing_scheme": "VARCHAR",
                            "tiers_mode": "VARCHAR", "interval": "VARCHAR", "interval_count": "BIGINT",
                            "usage_type": "VARCHAR", "transform_usage": {"divide_by": "BIGINT", "round": "VARCHAR"}
                        }
                    }]
                }
            }'
        ) as subscription
    from subscriptions
),

unnested as (
    select
        id,
        customer_id,
        subscription.currency as currency,
        subscription.default_tax_rates as default_tax_rates,
        unnest(subscription.items.data) as item,
        generate_subscripts(subscription.items.data, 1) as position
    from parsed
)

select
    id as subscription_id,
    customer_id,
    position,
    item.id as item_id,
    coalesce(
        item.quantity,
        case when coalesce(item.price.recurring.usage_type, item.plan.usage_type, 'licensed') = 'licensed' then 1 end
    ) as quantity,
    item.current_period_end as current_period_end,
    coalesce(item.price.id, item.plan.id) as price_id,
    expanded_id(coalesce(item.price.product, item.plan.product)) as product_id,
    nullif(trim(coalesce(item.price.nickname, item.plan.nickname)), '') as nickname,
    nullif(trim(item.price.lookup_key), '') as lookup_key,
    lower(coalesce(item.price.currency, item.plan.currency)) as currency,
    lower(coalesce(currency, item.price.currency, item.plan.currency)) as subscription_currency,
    coalesce(
        price_amount(item.price.unit_amount_decimal),
        price_amount(item.price.unit_amount),
        price_amount(item.plan.amount_decimal),
        price_amount(item.plan.amount)
    ) as unit_amount,
    coalesce(item.price.billing_scheme, item.plan.billing_scheme, 'per_unit') as billing_scheme,
    coalesce(item.price.tiers_mode, item.plan.tiers_mode) as tiers_mode,
    coalesce(item.price.recurring."interval", item.plan."interval") as billing_interval,
    greatest(coalesce(item.price.recurring.interval_count, item.plan.interval_count, 1), 1) as interval_count,
    coalesce(item.price.recurring.usage_type, item.plan.usage_type, 'licensed') as usage_type,
    coalesce(item.price.transform_quantity.divide_by, item.plan.transform_usage.divide_by) as divide_by,
    coalesce(item.price.transform_quantity."round", item.plan.transform_usage."round") as divide_round,
    item.price.tax_behavior as tax_behavior,
    list_sum(
        list_transform(
            case when len(item.tax_rates) > 0 then item.tax_rates else default_tax_rates end,
            lambda rate: case when rate.inclusive then rate.percentage else 0 end
        )
    ) as inclusive_tax
from unnested
