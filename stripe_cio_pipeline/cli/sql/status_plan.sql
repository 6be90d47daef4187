select action, reason, count(*) as items
from customerio.plan
where plan_id in (select plan_id from customerio.plans where delivered_at is null)
group by action, reason
order by items desc, action, reason
