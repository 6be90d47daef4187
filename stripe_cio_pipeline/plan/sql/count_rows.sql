select action, reason, count(*) as rows
from customerio.operations
where plan_id = $plan_id
group by all
order by all
