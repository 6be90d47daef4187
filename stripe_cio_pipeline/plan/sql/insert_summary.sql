insert into customerio.plans (plan_id, run_id, planned_at, counts, guard, approved_at)
values ($plan_id, $run_id, $planned_at, $counts, $guard, $approved_at)
