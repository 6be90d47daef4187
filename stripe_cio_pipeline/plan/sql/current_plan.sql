select plan_id, counts, guard, planned_at, approved_at is not null
from customerio.plans
where delivered_at is null
order by planned_at desc
limit 1
