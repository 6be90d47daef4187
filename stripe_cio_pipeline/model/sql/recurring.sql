-- One row per subscription: plan, interval, coupon and what it brings in a month, in minor units of its currency. The main
-- item is the first that is not metered.
with several as (
    -- What items add up to. Most subscriptions have one, and nothing to add up: to group them all takes twice the time.
    select
        subscription_id,
        cast(sum(exactly(monthly_amount)) as double) as monthly_amount,
        arg_min(position, case when metered then 1000 else 0 end + position) as main_position,
        list_sort(list(distinct plan) filter (where plan is not null)) as plans,
        cast(sum(quantity) filter (where not metered) as bigint) as quantity
    from recurring_items
    where subscription_id in (select subscription_id from subscription_items where position > 1)
    group by subscription_id
),

items as (
    select
        main.subscription_id,
        main.plan,
        main.billing_interval,
        main.interval_count,
        coalesce(several.monthly_amount, main.monthly_amount) as monthly_amount,
        coalesce(several.plans, case when main.plan is not null then [main.plan] end) as plans,
        coalesce(several.quantity, case when not main.metered then main.quantity end) as quantity
    from recurring_items as main
    left join several on main.subscription_id = several.subscription_id
    where several.subscription_id is null or main.position = several.main_position
),

coupons as (
    select
        subscription_id,
        arg_min(coupon, case when item_id is null then 0 else 1000 end + position) as coupon,
        list(
            struct_pack(
                percent := coalesce(percent_off, 0),
                amount := coalesce(amount_off, 0)
            )
            order by position
        ) filter (where lasting and item_id is null and (percent_off is null or products is null)) as steps
    from attached_discounts
    group by subscription_id
)

select
    items.subscription_id,
    items.plan as plan,
    items.plans,
    items.quantity,
    case items.interval_count
        when 1 then items.billing_interval
        else items.interval_count || ' ' || items.billing_interval || 's'
    end as billing_interval,
    coupons.coupon,
    case
        when coupons.steps is null then items.monthly_amount
        else round(
            reduced(
                items.monthly_amount,
                list_transform(
                    coupons.steps,
                    lambda step: struct_pack(
                        percent := step.percent,
                        amount := monthly(step.amount, items.billing_interval, items.interval_count)
                    )
                )
            ),
            6
        )
    end as monthly_amount
from items
left join coupons on items.subscription_id = coupons.subscription_id
