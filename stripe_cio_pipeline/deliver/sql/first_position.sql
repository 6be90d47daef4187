select coalesce(max(first_position), 0)
from customerio.plans
where plan_id = $plan_id
