-- The last plan: what of it still stands, what of that was approved, and its end.

-- name: last_first_position
-- Where the last plan begins: each one begins where the one before ended, or later.
select coalesce(max(first_position), 0)
from customerio.plans

-- name: last_position
-- Positions count on from here: whatever stood beyond it has given way.
select coalesce(max(last_position), 0)
from customerio.answers

-- name: count_standing
-- How much from a position on was not answered, told without looking for it.
select
    (select count(*) from customerio.operations where position >= $first)
    - (select coalesce(sum(last_position - first_position + 1), 0) from customerio.answers where first_position >= $first)

-- name: standing
-- What the last plan holds that was not answered: the next one takes its place.
create or replace temp table standing as
select plan_id, position, action, person_id, event_id
from customerio.due($first)

-- name: approved_rows
create or replace temp table approved_rows as
select p.plan_id, p.action, p.person_id, p.event_id, p.payload_hash
from customerio.planned as p
semi join standing as l on l.position = p.position
join customerio.plans as s on s.plan_id = p.plan_id
where p.position >= $first and s.approved_at is not null and s.delivered_at is null

-- name: delete_standing
-- What was answered stays.
delete from customerio.operations
where position >= $first and position in (select position from standing)

-- name: delete_undelivered
-- Plans that were delivered stay as history.
delete from customerio.plans
where delivered_at is null

-- name: current_plan
select plan_id, counts, guard, planned_at, approved_at is not null
from customerio.plans
where delivered_at is null
order by planned_at desc
limit 1

-- name: approve_plan
update customerio.plans
set approved_at = $now
where plan_id = $plan_id and delivered_at is null
