-- What a plan comes to, and examples of it.

-- name: count_rows
select action, reason, count(*) as rows
from customerio.operations
where position > $start
group by all
order by all

-- name: count_open
select action, reason, count(*) as people
from decisions
where action in ('wait', 'rejected')
group by all
order by all

-- name: count_attributes
select name, count(*) as people
from (
    select unnest(x.names) as name
    from changes as x
    join decisions as d on d.person_id = x.person_id
    where d.sets = 'changes'
)
group by name
order by name

-- name: count_people
select 'modelled' as subject, count(*) as number from model.people
union all
select 'orphaned', count(*) from orphans where person_id not in (select former from successions)
union all
select 'in_ledger', count(*) from customerio.people
union all
-- Who of them is not known: hardly anybody, so that the rest is told by each block's least and greatest state.
select 'unknown', count(*) from customerio.people where state in ('held', 'deleted', 'suppressed')
union all
-- Those of `decided` without a row in the plan were turned down before, with the same content.
select
    case when action in ('wait', 'rejected', 'keep') then action else 'decided' end,
    count(*)
from decisions
group by all
union all
select if(is_due, 'due_events', 'waiting_events'), count(*) from planned_events group by all

-- name: measured_rows
-- What the guard measures of the plan: what was not approved.
create or replace temp view measured as
select p.action, p.person_id, p.reason
from customerio.operations as p
where p.position > $start
    and p.action <> 'hold'
    and not exists (
        from approved_rows as a
        where a.action = p.action
            and a.person_id is not distinct from p.person_id
            and a.event_id is not distinct from p.event_id
            and a.payload_hash = md5(operation_text(p.operation, p.heading, p.after))
    )

-- name: count_measured
select action, reason, count(*) as rows
from measured
group by all

-- name: count_sent
-- How much of the last day may have to be measured with the plan, told without looking at it.
select coalesce(sum(last_position - first_position + 1), 0)
from customerio.answers
where outcome = 'accepted'
    and not coalesce(is_unmeasured, false)
    and sent_at > (select now - interval 1 day from terms)

-- name: measure_sent
-- People and events that were sent within the last hour and the last day, beside those of the plan: a person who changes
-- again is counted once.
with lately as (
    select unnest(range(first_position, last_position + 1)) as position, sent_at
    from customerio.answers
    where outcome = 'accepted'
        and not coalesce(is_unmeasured, false)
        and sent_at > (select now - interval 1 day from terms)
),
sent as (
    select
        o.action,
        o.person_id,
        o.action in ('delete', 'suppress', 'merge') as is_removal,
        o.action = 'identify' and o.reason in ('id_changed', 'owner_replaced') as is_reassigned,
        o.action = 'identify' and o.reason not in ('id_changed', 'owner_replaced') as is_new,
        l.sent_at
    from customerio.operations as o
    join lately as l on l.position = o.position
),
present as (
    select
        person_id,
        bool_or(action in ('delete', 'suppress', 'merge')) as is_removal,
        bool_or(action = 'identify' and reason in ('id_changed', 'owner_replaced')) as is_reassigned,
        bool_or(action = 'identify' and reason not in ('id_changed', 'owner_replaced')) as is_new
    from measured
    where action <> 'event'
    group by person_id
),
beside as (
    select
        s.action,
        s.person_id,
        s.sent_at,
        s.is_new and not coalesce(p.is_new, false) as is_new,
        not s.is_new and s.action <> 'event' and coalesce(p.is_new, true) as is_changed,
        s.is_removal and not coalesce(p.is_removal, false) as is_removal,
        s.is_reassigned and not coalesce(p.is_reassigned, false) as is_reassigned
    from sent as s
    left join present as p on p.person_id = s.person_id
)
select
    w.hours,
    count(distinct person_id) filter (where is_new) as new,
    count(distinct person_id) filter (where is_changed) as changed,
    count(distinct person_id) filter (where is_removal) as removed,
    count(distinct person_id) filter (where is_reassigned) as reassigned,
    count(*) filter (where action = 'event') as events
from (values (1), (24)) as w (hours)
join beside as b on b.sent_at > (select now from terms) - to_hours(w.hours)
group by w.hours
order by w.hours

-- name: examples
select distinct person_id
from customerio.operations
where position > $start
    and list_contains($actions::varchar[], action)
    and ($reasons::varchar[] is null or list_contains($reasons::varchar[], reason))
order by person_id
limit $rows

-- name: made_by
-- What the model remembers of its last build of people.
select
    md5(string_agg(value, ',' order by name) filter (where starts_with(name, 'model.sql.') and name <> 'model.sql.events')),
    max(value) filter (where name = 'model.day')
from pipeline.cursors

-- name: insert_summary
insert into customerio.plans (plan_id, run_id, first_position, planned_at, counts, guard, approved_at)
values ($plan_id, $run_id, $first_position, $planned_at, $counts, $guard, $approved_at)
