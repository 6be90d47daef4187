update customerio.plans
set approved_at = $now
where plan_id = $plan_id and delivered_at is null
