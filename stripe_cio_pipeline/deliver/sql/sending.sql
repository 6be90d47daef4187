-- A delivery's way through the plan: what there is, what is read in which order, and what is left.

-- name: settings_for_delivery
-- All hold until the file is closed.
-- Reading and writing down have a thread each already. More only get in each other's way: measured, two need half as much
-- processor time again to write a group.
set threads = 1;
-- JSON of many people is much alike: zstd takes half the time of the default and a fifth of its space.
set force_compression = 'zstd';
-- A plan is read in stretches and the ledger written in groups: more memory would only keep what is read once.
set memory_limit = '{megabytes}MB';
-- Whoever closes the file would bring a plan's remaining rows closer together each time that a group of them is gone, which
-- writes the plan anew as often as there are groups: a fifth of all processor time. Groups that are empty go all the same.
set max_vacuum_tasks = 0;

-- name: first_position
select coalesce(max(first_position), 0)
from customerio.plans
where plan_id = $plan_id

-- name: survey_plan
-- How what is left of a plan lies in it: spans of positions, with what of each action is in them. One look for all that a
-- delivery wants to know before its first call.
select
    position // $span as span,
    action,
    count(*) as items,
    coalesce(sum(bytes), 0)::bigint as bytes,
    coalesce(max(bytes), 0) as widest,
    coalesce(bool_or(bytes is null), false) as has_empty
from (
    select position, action, coalesce(strlen(operation), strlen(heading) + strlen(after)) as bytes
    from customerio.due($first)
)
group by span, action
order by span

-- name: event_turns
-- The events that may be sent now, each with the position of its person's first one (`turn`): what has the same turn goes
-- out in one call and in its order, as much of it as fits; what follows waits until that is answered. All events of a person
-- wait while a change of the person itself is still due, or an earlier event was left due.
with due as (
    select position, action, person_id, strlen(operation) as bytes
    from customerio.due($first)
    where action in ('event', 'identify', 'update')
),
waiting as (
    select person_id
    from due
    where action <> 'event' or list_contains($left_due::bigint[], position)
),
numbered as (
    select
        position,
        bytes,
        min(position) over (partition by person_id) as turn,
        sum(bytes) over (partition by person_id order by position) as so_far
    from due
    where action = 'event' and person_id not in (select person_id from waiting)
)
select position, turn, bytes
from numbered
where position = turn or so_far <= $most_bytes

-- name: windows_events
select turn // $span as span, sum(bytes) as bytes
from event_turns
group by span
order by span

-- name: oversize
select position, operation
from customerio.plan
where position >= $first and action <> 'hold' and (operation is null or strlen(operation) > $max_bytes)
order by position
limit 1000

-- name: read_people
-- Operations without their opening brace, each closed by a separator: packed without touching them one by one.
-- A slice, `operation[2:]`, would take three times as long as everything else here.
select
    position,
    coalesce(substring(operation, 2), substring(heading, 2) || substring(after, 2) || '}') || chr(30) as item
from customerio.due($first, after_last := $after_last)
where
    action in ('identify', 'update')
    and coalesce(strlen(operation), strlen(heading) + strlen(after)) <= $max_bytes
order by position

-- name: read_removals
select position, substring(operation, 2) || chr(30) as item
from customerio.due($first, after_last := $after_last)
where action in ('delete', 'suppress', 'merge') and strlen(operation) <= $max_bytes
order by position

-- name: read_events
select due.position, turns.turn, substring(due.operation, 2) || chr(30) as item
from customerio.due($begin) as due
inner join event_turns as turns on turns.position = due.position
where turns.turn >= $first and turns.turn < $after_last and strlen(due.operation) <= $max_bytes
order by turns.turn, due.position

-- name: count_outcomes
-- What became of a plan's items: `outcome` is null for those without an answer. Answers are joined by their number, for
-- one counts for very many items.
with stretches as (
    select rowid as answer, first_position, last_position
    from customerio.answers
    where plan_id = $plan_id
),
answered as (
    select answer, unnest(range(first_position, last_position + 1)) as position
    from stretches
),
counted as (
    select operations.action, answered.answer, count(*) as items
    from customerio.operations as operations
    left join answered on answered.position = operations.position
    where operations.position >= $first and operations.plan_id = $plan_id
    group by all
)
select
    counted.action,
    answers.outcome,
    if(answers.outcome = 'rejected', split_part(answers.detail, ':', 1), null) as reason,
    coalesce(answers.run_id = $run_id, false) as is_of_run,
    sum(counted.items)::bigint as items
from counted
left join customerio.answers as answers on answers.rowid = counted.answer
group by all

-- name: finish_plan
update customerio.plans set delivered_at = ? where plan_id = ? and delivered_at is null
