-- One row per Stripe coupon. `products` limits it to these, null means all; `currency_options` has the amount in other
-- currencies, by currency.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "name": "VARCHAR", "percent_off": "DECIMAL(9,6)", "amount_off": "BIGINT", "currency": "VARCHAR",
                "duration": "VARCHAR", "duration_in_months": "BIGINT", "applies_to": {"products": ["VARCHAR"]},
                "currency_options": "MAP(VARCHAR, STRUCT(amount_off BIGINT))"
            }'
        ) as coupon
    from coupons
)

select
    id,
    created,
    deleted,
    nullif(trim(coupon.name), '') as name,
    coupon.percent_off as percent_off,
    coupon.amount_off as amount_off,
    lower(coupon.currency) as currency,
    coupon.currency_options as currency_options,
    coupon.duration as duration,
    coupon.duration_in_months as duration_in_months,
    coupon.applies_to.products as products
from parsed
