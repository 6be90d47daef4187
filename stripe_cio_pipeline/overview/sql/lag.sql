-- How long a change takes.

-- name: lag_by_day
-- Seconds from a Stripe event to the acceptance of what was sent because of it: half of it, and 19 of 20, took at most so
-- long. Stripe's clock and this machine's are taken to agree; where a sandbox's was moved ahead there is no figure.
with taken as (
    select cast(writes.sent_at as date) as day, date_part('epoch', writes.sent_at) - events.created as seconds
    from customerio.writes as writes
    inner join stripe.events as events on events.id = writes.source_event_id
    where writes.outcome = 'accepted' and writes.sent_at >= cast($first as date)
)
select
    least(day, $last) as day,
    count(*) as items,
    quantile_disc(seconds, 0.5) as half,
    quantile_disc(seconds, 0.95) as most
from taken
where seconds >= 0
group by all
order by all
