-- What the asset checks, the sensor and the plots ask.

-- name: seconds_since_last_look
-- How long ago Stripe was asked for events for the last time, by this machine's clock. No row moves where nothing is new, so
-- the finished run counts too.
select date_part('epoch', (now() at time zone 'UTC') - max(moment))
from (
    select moved_at as moment
    from pipeline.cursors
    where name like 'events%'
    union all
    select finished_at
    from pipeline.runs
    where outcome is not null and kind in ('sync', 'reconcile')
)

-- name: people_in_conflict
-- Whom the plan holds, and who is in conflict beside them. A hold is never answered, and an older plan's has given way.
with held as (
    select person_id, reason
    from customerio.operations
    where action = 'hold'
),
stopped as (
    select 'held' as state, person_id, reason from held
    union all
    select state, person_id, reason
    from customerio.people
    where state in ('conflict', 'held') and person_id not in (select person_id from held)
)
select state, reason, count(*) as people, min(person_id) as example
from stopped
group by state, reason
order by people desc, state, reason

-- name: rejections_by_reason
select
    reason,
    count(*) as items,
    string_agg(distinct field, ', ') as field,
    min(coalesce(person_id, event_id)) as example,
    min(message) as message
from customerio.rejections
group by reason
order by items desc, reason

-- name: links_that_settled
-- How many people were linked long enough ago that what waited for their link can go out.
select count(*)
from customerio.people
where state = 'linking'
    and linked_at + to_seconds(cast($settle_seconds as bigint)) <= (now() at time zone 'UTC')

-- name: items_left_due
-- What an outage left of a plan, unless that waits for an approval, and people whom `retry` or `verify` made due.
with left_over as (
    select plan_id, first_position
    from customerio.plans
    where delivered_at is null
        and (approved_at is not null or not coalesce((guard ->> '$.stopped')::boolean, false))
)
select
    (
        select count(*)
        from customerio.operations as o
        inner join left_over as p on p.plan_id = o.plan_id and o.position >= p.first_position
        where o.action <> 'hold'
    )
    - (
        select coalesce(sum(a.last_position - a.first_position + 1), 0)
        from customerio.answers as a
        inner join left_over as p on p.plan_id = a.plan_id
    )
    + (select count(distinct person_id) from customerio.due where reason in ('drift', 'not_linked', 'retry'))

-- name: seconds_from_stored_to_planned
-- From the last move of the event watermark to the plan, by this machine's clock.
select date_part('epoch', p.planned_at - max(c.moved_at))
from customerio.plans as p
cross join pipeline.cursors as c
where p.plan_id = ?
    and c.name like 'events%'
group by p.planned_at

-- name: seconds_from_planned_to_accepted
-- From the plan to the last item that was accepted in a run, by this machine's clock.
select date_part('epoch', max(w.sent_at) - min(p.planned_at))
from customerio.writes as w
inner join customerio.plans as p on p.plan_id = w.plan_id
where w.run_id = ?
    and w.outcome = 'accepted'

-- name: seconds_from_event_to_accepted
-- Half of what a run delivered because of an event was accepted sooner than this after the event. Stripe's clock and this
-- machine's are taken to agree; a sandbox whose clock was moved gives no figure.
select nullif(greatest(median(date_part('epoch', w.sent_at) - e.created), 0), 0)
from customerio.writes as w
inner join stripe.events as e on e.id = w.source_event_id
where w.run_id = ?
    and w.outcome = 'accepted'
