-- Where everybody stands on the way from a first look to a subscription that is over.

-- name: people_by_stage
-- Everybody in the model once, by the subscription that speaks for them.
select
    case
        when subscriber_since is null and stripe_deleted_at is not null then 'deleted'
        when subscriber_since is null then 'unsubscribed'
        when status = 'trialing' then 'trial'
        when status in ('past_due', 'unpaid') then 'past_due'
        when status = 'active' and try_cast(mrr as double) = 0 and coalesce(len(other), 0) = 0 then 'free'
        when status = 'active' then 'paying'
        when status = 'paused' then 'paused'
        else 'churned'
    end as stage,
    count(*) as people
from (
    select
        *,
        cast(subscription_status as varchar) as status,
        try_cast(mrr_other_currencies as varchar[]) as other
    from model.people
)
group by all
order by all
