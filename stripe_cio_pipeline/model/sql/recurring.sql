-- One row per subscription: plan, interval, coupon and what it brings in a month, in minor units of its currency (null where that
-- of an item is not known). The main item is the first that is not metered.
-- Read twice, and so kept.
with items as materialized (
    select * from recurring_items
),

several as (
    -- What items add up to. Most subscriptions have one, and nothing to add up: to group them all takes twice the time.
    select
        subscription_id,
        case when count(monthly_amount) = count(*) then cast(sum(exactly(monthly_amount)) as double) end
            as monthly_amount,
        arg_min(position, case when metered then 1000 else 0 end + position) as main_position,
        list_sort(list(distinct plan) filter (where plan is not null)) as plans,
        cast(sum(quantity) filter (where not metered) as bigint) as quantity
    from items
    where subscription_id in (select subscription_id from subscription_items where position > 1)
    group by subscription_id
),

coupons as (
    select subscription_id, arg_min(coupon, case when item_id is null then 0 else 1000 end + position) as coupon
    from attached_discounts
    group by subscription_id
)

select
    main.subscription_id,
    main.plan,
    coalesce(several.plans, case when main.plan is not null then [main.plan] end) as plans,
    coalesce(several.quantity, case when not main.metered then main.quantity end) as quantity,
    case main.interval_count
        when 1 then main.billing_interval
        else main.interval_count || ' ' || main.billing_interval || 's'
    end as billing_interval,
    coupons.coupon,
    case when several.subscription_id is null then main.monthly_amount else several.monthly_amount end as monthly_amount
from items as main
left join several on main.subscription_id = several.subscription_id
left join coupons on main.subscription_id = coupons.subscription_id
where several.subscription_id is null or main.position = several.main_position
