update customerio.plan
set plan_id = $plan_id
