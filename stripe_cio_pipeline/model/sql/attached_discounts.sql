-- One row per discount that a subscription or one of its items has, with what its coupon gives. A customer's own discount
-- counts for those of its subscriptions that have none, as it does on their invoices, and goes with the customer.
--
-- `percent_off` and `amount_off` are both null where the terms are not known, and so is `lasting` then.
with of_customers as (
    select
        id as customer_id,
        expanded_id(discount_coupon) as coupon_id,
        from_json(
            case when starts_with(discount_coupon, '{') then discount_coupon end,
            '{
                "created": "BIGINT", "name": "VARCHAR", "percent_off": "DECIMAL(9,6)", "amount_off": "BIGINT",
                "currency": "VARCHAR", "duration": "VARCHAR", "applies_to": {"products": ["VARCHAR"]},
                "currency_options": "MAP(VARCHAR, STRUCT(amount_off BIGINT))"
            }'
        ) as coupon
    from customers
    where discount_coupon is not null and not deleted
),

attached as (
    select
        subscription_id,
        item_id,
        position,
        coupon_id,
        coupon_created,
        name,
        percent_off,
        amount_off,
        currency,
        currency_options,
        duration,
        products
    from discounts
    union all
    select
        subscriptions.id as subscription_id,
        null as item_id,
        1 as position,
        of_customers.coupon_id,
        of_customers.coupon.created,
        nullif(trim(of_customers.coupon.name), ''),
        of_customers.coupon.percent_off,
        of_customers.coupon.amount_off,
        lower(of_customers.coupon.currency),
        of_customers.coupon.currency_options,
        of_customers.coupon.duration,
        of_customers.coupon.applies_to.products
    from of_customers
    inner join subscriptions on of_customers.customer_id = subscriptions.customer_id
    where subscriptions.id not in (select subscription_id from discounts where item_id is null)
),

-- Another coupon of the same id has other terms, and a discount keeps those that it was given with: a former coupon is kept
-- as `id@created`. A discount that does not tell when its coupon was made means the present one (`given` -1).
terms as (
    select
        *,
        case when ends_with(id, '@' || created) then left(id, -1 - length(cast(created as varchar))) else id end
            as coupon_id,
        created as given
    from coupons
    union all
    select *, id as coupon_id, -1 as given
    from coupons
    where not coalesce(ends_with(id, '@' || created), false)
)

select
    attached.subscription_id,
    attached.item_id,
    attached.position,
    attached.coupon_id,
    coalesce(attached.name, terms.name, attached.coupon_id) as coupon,
    coalesce(attached.duration, terms.duration) = 'forever' as lasting,
    coalesce(attached.percent_off, terms.percent_off) as percent_off,
    case
        when coalesce(attached.currency, terms.currency) = subscriptions.currency
            then coalesce(attached.amount_off, terms.amount_off)
        else
            coalesce(
                coalesce(attached.currency_options, terms.currency_options)[subscriptions.currency].amount_off,
                -- An amount that has none in this currency takes nothing off it.
                case when terms.amount_off is not null then 0 end
            )
    end as amount_off,
    coalesce(attached.products, terms.products) as products
from attached
inner join subscriptions on attached.subscription_id = subscriptions.id
left join terms on attached.coupon_id = terms.coupon_id and coalesce(attached.coupon_created, -1) = terms.given
