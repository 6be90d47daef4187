-- One row per item of a subscription: its plan's name and what it brings in a month, in minor units of the subscription's
-- currency, after the item's own lasting discounts and before those of the subscription.
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
        and (items.quantity > tiers.above or tiers.position = 1)
        and (items.tiers_mode is distinct from 'volume' or items.quantity <= coalesce(tiers.up_to, items.quantity))
    where items.billing_scheme = 'tiered'
    group by items.subscription_id, items.item_id
),

priced as (
    select
        items.*,
        coalesce(products.name, items.nickname, items.lookup_key, items.price_id) as plan,
        case
            when items.usage_type = 'metered' then 0
            when items.billing_scheme = 'tiered' then tiered.amount
            else
                case
                    when items.currency = items.subscription_currency then items.unit_amount
                    else price_amount(
                        json_extract_string(
                            prices.currency_options, '$.' || items.subscription_currency || '.unit_amount_decimal'
                        )
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
    left join prices on items.price_id = prices.id
),

-- Lasting discounts of an item: its own, and percentages of the subscription that are limited to some products.
reductions as (
    select
        items.subscription_id,
        items.item_id,
        list(
            struct_pack(percent := coalesce(discounts.percent_off, 0), amount := coalesce(discounts.amount_off, 0))
            order by discounts.item_id nulls last, discounts.position
        ) as steps
    from attached_discounts as discounts
    inner join subscription_items as items
        on discounts.subscription_id = items.subscription_id
        and (discounts.products is null or list_contains(discounts.products, items.product_id))
        and (
            discounts.item_id = items.item_id
            or (discounts.item_id is null and discounts.percent_off is not null and discounts.products is not null)
        )
    where discounts.lasting
    group by items.subscription_id, items.item_id
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
    coalesce(
        monthly(
            case
                when reductions.steps is null then priced.amount
                else reduced(priced.amount, reductions.steps)
            end,
            priced.billing_interval,
            priced.interval_count
        ),
        0
    ) as monthly_amount
from priced
left join reductions
    on priced.subscription_id = reductions.subscription_id and priced.item_id = reductions.item_id
