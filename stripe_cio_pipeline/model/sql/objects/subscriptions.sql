-- One row per Stripe subscription. The period's end stands on the subscription up to acacia, on its items since basil;
-- the earliest of them is when something is billed next. `default_method` is the id of what the subscription itself names to be
-- charged, and `card` that card: of nulls where it is none, or is not known.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "customer": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR", "start_date": "BIGINT",
                "trial_start": "BIGINT", "trial_end": "BIGINT", "current_period_end": "BIGINT",
                "cancel_at_period_end": "BOOLEAN", "cancel_at": "BIGINT", "canceled_at": "BIGINT", "ended_at": "BIGINT",
                "collection_method": "VARCHAR", "pause_collection": {"behavior": "VARCHAR", "resumes_at": "BIGINT"},
                "default_payment_method": "VARCHAR", "default_source": "VARCHAR", "metadata": "JSON",
                "plan": {"currency": "VARCHAR"},
                "items": {"data": [{"current_period_end": "BIGINT", "price": {"currency": "VARCHAR"}}]}
            }'
        ) as subscription
    from subscriptions
),

opened as (
    select
        *,
        list_transform(subscription.items.data, lambda item: item.current_period_end) as period_ends,
        subscription.default_payment_method as method,
        case when method is null then subscription.default_source end as old_method,
        from_json(
            case when starts_with(method, '{') then method end,
            '{"card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}}'
        ) as known_method,
        from_json(
            case when starts_with(old_method, '{') then old_method end,
            '{
                "object": "VARCHAR", "brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER",
                "card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}
            }'
        ) as known_old_method
    from parsed
),

cleaned as (
    select
        *,
        coalesce(
            known_method.card,
            known_old_method.card,
            -- A card of old is the source itself; a bank account has four last digits too.
            case
                when known_old_method.object = 'card'
                    then struct_pack(
                        brand := known_old_method.brand,
                        last4 := known_old_method.last4,
                        exp_year := known_old_method.exp_year,
                        exp_month := known_old_method.exp_month
                    )
            end
        ) as card
    from opened
)

select
    id,
    coalesce(customer_id, expanded_id(subscription.customer)) as customer_id,
    created,
    livemode,
    deleted,
    subscription.status as status,
    lower(
        coalesce(subscription.currency, subscription.items.data[1].price.currency, subscription.plan.currency)
    ) as currency,
    coalesce(subscription.start_date, created) as start_date,
    subscription.trial_start as trial_start,
    subscription.trial_end as trial_end,
    coalesce(list_min(period_ends), subscription.current_period_end) as current_period_end,
    -- In flexible billing mode Stripe says false, and sets `cancel_at` to the end of the period or the trial.
    coalesce(subscription.cancel_at_period_end, false)
    or coalesce(
        subscription.cancel_at in (
            list_min(period_ends), list_max(period_ends), subscription.current_period_end, subscription.trial_end
        ),
        false
    ) as cancel_at_period_end,
    subscription.cancel_at as cancel_at,
    subscription.canceled_at as canceled_at,
    subscription.ended_at as ended_at,
    subscription.collection_method as collection_method,
    subscription.pause_collection.behavior as pause_collection,
    subscription.pause_collection.resumes_at as collection_resumes_at,
    expanded_id(coalesce(method, old_method)) as default_method,
    struct_pack(
        brand := lower(nullif(trim(card.brand), '')),
        last4 := nullif(trim(card.last4), ''),
        exp_year := card.exp_year,
        exp_month := card.exp_month
    ) as card,
    subscription.metadata as metadata,
    as_of,
    source_event_id,
    seq
from cleaned
