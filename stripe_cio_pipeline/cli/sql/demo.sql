-- What the demo and the backfill of events look for.

-- name: demo_busiest
-- The person of whom most was written: the one to look at.
select person_id
from customerio.writes
where person_id is not null
group by person_id
order by count(*) desc, person_id
limit 1

-- name: demo_held
-- Whose change is held back, by the ledger or by the last plan, and why.
select person_id, reason
from customerio.people
where state in ('held', 'conflict')
union
select person_id, reason
from customerio.plan
where action = 'hold' and person_id is not null

-- name: backfill_too_old
-- How many of some events cannot start a campaign any more: 72 hours before the last look at Stripe, by Stripe's clock.
select count(*)
from model.events
where event_id in (select unnest($events))
    and created < (
        select coalesce(max(cast(value as bigint)), $now)
        from pipeline.cursors
        where name = 'events.watermark'
    ) - 72 * 3600
