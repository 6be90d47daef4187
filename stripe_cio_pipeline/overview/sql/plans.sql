-- What plans consisted of.

-- name: operations_by_day
-- Operations by reason and by the day of their plan, this machine's clock. What was not answered gave way to the next plan, so
-- each counts once. A hold is no operation: nothing is sent.
with recent as (
    select plan_id, any_value(cast(planned_at as date)) as day, min(first_position) as first_position
    from customerio.plans
    where planned_at >= cast($first as date)
    group by plan_id
)
select least(recent.day, $last) as day, planned.reason, count(*) as operations
from customerio.operations as planned
inner join recent on planned.plan_id = recent.plan_id
where planned.action <> 'hold'
    and planned.position >= (select coalesce(min(first_position), 0) from recent)
group by all
order by all
