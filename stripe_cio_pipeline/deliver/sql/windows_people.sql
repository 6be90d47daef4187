-- How the due operations on people lie in the plan: spans of positions with their encoded size.
select position // $span as span, count(*) as items, sum(strlen(operation)) as bytes
from customerio.plan
where plan_id = $plan_id and action in ('identify', 'update')
group by span
order by span
