insert into customerio.plans (plan_id, run_id, first_position, planned_at, counts, guard, approved_at)
values ($plan_id, $run_id, $first_position, $planned_at, $counts, $guard, $approved_at)
