-- One row per Stripe subscription. The period's end stands on the subscription up to acacia, on its items since basil;
-- the earliest of them is when something is billed next.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "customer": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR", "start_date": "BIGINT",
                "trial_start": "BIGINT", "trial_end": "BIGINT", "current_period_end": "BIGINT",
                "cancel_at_period_end": "BOOLEAN", "cancel_at": "BIGINT", "canceled_at": "BIGINT", "ended_at": "BIGINT",
                "collection_method": "VARCHAR", "pause_collection": {"behavior": "VARCHAR"}, "metadata": "JSON",
                "plan": {"currency": "VARCHAR"},
                "items": {"data": [{"current_period_end": "BIGINT", "price": {"currency": "VARCHAR"}}]}
            }'
        ) as subscription
    from subscriptions
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
    coalesce(
        list_min(list_transform(subscription.items.data, lambda item: item.current_period_end)),
        subscription.current_period_end
    ) as current_period_end,
    coalesce(subscription.cancel_at_period_end, false) as cancel_at_period_end,
    subscription.cancel_at as cancel_at,
    subscription.canceled_at as canceled_at,
    subscription.ended_at as ended_at,
    subscription.collection_method as collection_method,
    subscription.pause_collection.behavior as pause_collection,
    subscription.metadata as metadata,
    as_of,
    source_event_id,
    seq
from parsed
