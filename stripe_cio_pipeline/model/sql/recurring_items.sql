-- One row per item of a subscription: its plan's name and what it brings in a month, in minor units of the subscription's
-- currency, after lasting discounts and without tax. Null where that is not known.
with tiered as (
    -- Graduated: each tier bills the units that fall into it. Volume: the tier that the quantity falls into bills all units.
    select
        items.subscription_id,
        items.item_id,
        sum(
            case
                when items.tiers_mode = 'volume'
                    then items.quantity * tiers.unit_amount + tiers.flat_amount
                else greatest(least(items.quantity, coalesce(tiers.up_to, items.quantity)) - tiers.above, 0)
                    * tiers.unit_amount + tiers.flat_amount
            end
        ) as amount
    from subscription_items as items
    inner join price_tiers as tiers
        on items.price_id = tiers.price_id
        and items.subscription_currency = tiers.currency
        and (items.quantity > tiers.above or tiers.position = 1)
        and (items.tiers_mode is distinct from 'volume' or items.quantity <= coalesce(tiers.up_to, items.quantity))
    where items.billing_scheme = 'tiered'
    group by items.subscription_id, items.item_id
),

-- What an item costs each time that it is billed. Read twice, and faster so than kept in between: few have discounts.
priced as not materialized (
    select
        items.*,
        coalesce(products.name, items.nickname, items.lookup_key, items.price_id) as plan,
        case
            when items.usage_type = 'metered' then 0
            when items.billing_scheme = 'tiered' then tiered.amount
            else
                case
                    when items.currency = items.subscription_currency then items.unit_amount
                    else
                        coalesce(
                            price_amount(prices.currency_options[items.subscription_currency].unit_amount_decimal),
                            price_amount(prices.currency_options[items.subscription_currency].unit_amount)
                        )
                end
                * try_cast(
                    case
                        when coalesce(items.divide_by, 1) <= 1 then items.quantity
                        when items.divide_round = 'up' then (items.quantity + items.divide_by - 1) // items.divide_by
                        else items.quantity // items.divide_by
                    end as decimal(12, 0)
                )
        end as amount
    from subscription_items as items
    left join tiered on items.subscription_id = tiered.subscription_id and items.item_id = tiered.item_id
    left join products on items.product_id = products.id
    left join prices
        on case when items.currency <> items.subscription_currency then items.price_id end = prices.id
),

-- Items of subscriptions that have lasting discounts, and how often a month they are billed.
discountable as (
    select subscription_id, item_id, position, product_id, amount, times_a_month(billing_interval, interval_count) as times
    from priced
    where subscription_id in (select subscription_id from attached_discounts where lasting is not false)
),

-- Discounts come off each invoice. Where items are billed at several intervals, there are invoices over those that are billed
-- most often, and others over these and more. `weight` is how many a month there are of them.
occasions as (
    select
        subscription_id,
        times,
        times - coalesce(lead(times) over (partition by subscription_id order by times desc), 0) as weight
    from discountable
    group by subscription_id, times
),

billed as (
    select
        occasions.subscription_id,
        occasions.times,
        any_value(occasions.weight) as weight,
        -- Sorted after, because `list(... order by ...)` takes ten times as long.
        list_sort(
            list(
                struct_pack(
                    place := items.position,
                    item_id := items.item_id,
                    product_id := items.product_id,
                    amount := items.amount
                )
            )
        ) as items
    from occasions
    inner join discountable as items
        on occasions.subscription_id = items.subscription_id and occasions.times <= items.times
    group by occasions.subscription_id, occasions.times
),

-- They come off one after the other: first those of an item, then those of the subscription, in their order.
steps as (
    select
        billed.subscription_id,
        billed.times,
        list_sort(
            list(
                struct_pack(
                    is_of_all := attached.item_id is null,
                    place := attached.position,
                    applies := list_transform(
                        billed.items,
                        lambda item: coalesce(attached.item_id = item.item_id, true)
                            and (
                                attached.products is null
                                or coalesce(list_contains(attached.products, item.product_id), false)
                            )
                    ),
                    percent := attached.percent_off,
                    amount := attached.amount_off
                )
            )
        ) as steps
    from attached_discounts as attached
    inner join billed on attached.subscription_id = billed.subscription_id
    where attached.lasting is not false
    group by billed.subscription_id, billed.times
),

reduced as (
    select
        subscription_id,
        item_id,
        case when count(amount) = count(*) then sum(exactly(round(amount * weight, 6))) end as monthly_amount
    from (
        select
            billed.subscription_id,
            billed.weight,
            unnest(list_transform(billed.items, lambda item: item.item_id)) as item_id,
            unnest(discounted(list_transform(billed.items, lambda item: item.amount), steps.steps)) as amount
        from billed
        inner join steps on billed.subscription_id = steps.subscription_id and billed.times = steps.times
    )
    group by subscription_id, item_id
),

-- The tax that the latest invoice found in an item.
taxes as (
    select item_id, arg_max(inclusive_tax, ordered(created, invoice_id)) as inclusive_tax
    from line_taxes
    group by item_id
)

select
    priced.subscription_id,
    priced.customer_id,
    priced.item_id,
    priced.position,
    priced.plan,
    priced.quantity,
    priced.usage_type = 'metered' as metered,
    priced.billing_interval,
    priced.interval_count,
    case
        when reduced.subscription_id is null
            then
                monthly(
                    priced.amount / (1 + coalesce(priced.inclusive_tax, taxes.inclusive_tax, 0) / 100),
                    priced.billing_interval,
                    priced.interval_count
                )
        else round(reduced.monthly_amount / (1 + coalesce(priced.inclusive_tax, taxes.inclusive_tax, 0) / 100), 6)
    end as monthly_amount
from priced
left join reduced on priced.subscription_id = reduced.subscription_id and priced.item_id = reduced.item_id
left join taxes on case when priced.tax_behavior = 'exclusive' then null else priced.item_id end = taxes.item_id
