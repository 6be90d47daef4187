-- One row per discount of a subscription (`item_id` null) or of one of its items. Up to basil the coupon stands in
-- `discount.coupon`, since clover in `discount.source.coupon`, and there as an id or, expanded, as an object: the coupon that the
-- discount was given with, which may be deleted by now, and its id another one's. A discount that Stripe gives as a bare id
-- tells nothing and is left out.
with parsed as (
    select
        id,
        customer_id,
        from_json(
            payload,
            '{
                "discount": {"id": "VARCHAR", "coupon": "VARCHAR", "source": {"coupon": "VARCHAR"}},
                "discounts": [{"id": "VARCHAR", "coupon": "VARCHAR", "source": {"coupon": "VARCHAR"}}],
                "items": {
                    "data": [{
                        "id": "VARCHAR",
                        "discounts": [{"id": "VARCHAR", "coupon": "VARCHAR", "source": {"coupon": "VARCHAR"}}]
                    }]
                }
            }'
        ) as subscription
    from subscriptions
),

found as (
    select
        id,
        customer_id,
        null as item_id,
        unnest(
            case
                when len(subscription.discounts) > 0 then subscription.discounts
                when subscription.discount is not null then [subscription.discount]
            end
        ) as discount,
        generate_subscripts(
            case
                when len(subscription.discounts) > 0 then subscription.discounts
                when subscription.discount is not null then [subscription.discount]
            end,
            1
        ) as position
    from parsed
    union all
    select
        id,
        customer_id,
        item.id as item_id,
        unnest(item.discounts) as discount,
        generate_subscripts(item.discounts, 1) as position
    from (select id, customer_id, unnest(subscription.items.data) as item from parsed)
),

opened as (
    select
        *,
        coalesce(discount.source.coupon, discount.coupon) as coupon,
        from_json(
            case when starts_with(coupon, '{') then coupon end,
            '{
                "id": "VARCHAR", "created": "BIGINT", "name": "VARCHAR", "percent_off": "DECIMAL(9,6)",
                "amount_off": "BIGINT", "currency": "VARCHAR", "duration": "VARCHAR",
                "applies_to": {"products": ["VARCHAR"]},
                "currency_options": "MAP(VARCHAR, STRUCT(amount_off BIGINT))"
            }'
        ) as embedded
    from found
)

select
    id as subscription_id,
    customer_id,
    item_id,
    position,
    discount.id as discount_id,
    coalesce(embedded.id, coupon) as coupon_id,
    embedded.created as coupon_created,
    nullif(trim(embedded.name), '') as name,
    embedded.percent_off as percent_off,
    embedded.amount_off as amount_off,
    lower(embedded.currency) as currency,
    embedded.currency_options as currency_options,
    embedded.duration as duration,
    embedded.applies_to.products as products
from opened
where coupon is not null
