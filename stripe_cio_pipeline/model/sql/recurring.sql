-- One row per subscription: plan, interval, coupon and what it brings in a month, in minor units of its currency. The main
-- item is the first that is not metered.
with items as (
    select
        subscription_id,
        sum(monthly_amount) as monthly_amount,
        arg_min(
            struct_pack(
                plan := plan,
                billing_interval := billing_interval,
                interval_count := interval_count
            ),
            case when metered then 1000 else 0 end + position
        ) as main,
        list(plan) as plans,
        sum(quantity) filter (where not metered) as quantity
    from recurring_items
    group by subscription_id
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
    items.main.plan as plan,
    items.plans,
    items.quantity,
    case items.main.interval_count
        when 1 then items.main.billing_interval
        else items.main.interval_count || ' ' || items.main.billing_interval || 's'
    end as billing_interval,
    coupons.coupon,
    case
        when coupons.steps is null then items.monthly_amount
        else cast(
            reduced(
                items.monthly_amount,
                list_transform(
                    coupons.steps,
                    lambda step: struct_pack(
                        percent := step.percent,
                        amount := monthly(step.amount, items.main.billing_interval, items.main.interval_count)
                    )
                )
            ) as decimal(38, 6)
        )
    end as monthly_amount
from items
left join coupons on items.subscription_id = coupons.subscription_id
