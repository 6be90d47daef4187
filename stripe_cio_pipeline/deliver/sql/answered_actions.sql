select distinct plan.action
from customerio.plan as plan
inner join answered on answered.position = plan.position
where plan.plan_id = $plan_id and plan.position between $first and $last
