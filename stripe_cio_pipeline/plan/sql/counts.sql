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

-- name: was_loaded
select count(*) > 0
from customerio.plans
where delivered_at is not null and (counts ->> '$.identify')::bigint > 0

-- name: examples
select distinct person_id
from customerio.operations
where position > $start
    and list_contains($actions::varchar[], action)
    and ($reasons::varchar[] is null or list_contains($reasons::varchar[], reason))
order by person_id
limit $rows

-- name: insert_summary
insert into customerio.plans (plan_id, run_id, first_position, planned_at, counts, guard, approved_at)
values ($plan_id, $run_id, $first_position, $planned_at, $counts, $guard, $approved_at)
