insert into customerio.writes (
    sent_at, action, person_id, event_id, reason, before, after, source_event_id, outcome, detail, request_id, plan_id,
    run_id
)
select
    answered.sent_at,
    plan.action,
    plan.person_id,
    plan.event_id,
    plan.reason,
    plan.before,
    plan.after,
    plan.source_event_id,
    if(answered.reason is null, 'accepted', 'rejected'),
    if(answered.reason is null, null, concat_ws(': ', answered.reason, answered.field, answered.message)),
    answered.request_id,
    plan.plan_id,
    $run_id
from customerio.plan as plan
inner join answered on answered.position = plan.position
where plan.plan_id = $plan_id and plan.position between $first and $last
