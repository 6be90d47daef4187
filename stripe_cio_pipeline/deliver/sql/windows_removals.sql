select position // $span as span, count(*) as items, sum(strlen(operation)) as bytes
from customerio.plan
where plan_id = $plan_id and action in ('delete', 'suppress', 'merge')
group by span
order by span
