insert into customerio.events (
    event_id, ulid, person_id, name, created, state, accepted_at, reason, request_id, run_id
)
with sent as (
    select
        plan.event_id,
        plan.person_id,
        json_extract_string(plan.operation, ['$.id', '$.name', '$.timestamp']) as told,
        answered.reason,
        answered.answered_at,
        answered.request_id
    from customerio.planned as plan
    inner join answered on answered.position = plan.position
    where plan.position between $first and $last and plan.action = 'event'
)
select
    event_id,
    told[1],
    person_id,
    told[2],
    told[3]::bigint,
    if(reason is null, 'accepted', 'rejected'),
    if(reason is null, answered_at, null),
    reason,
    request_id,
    $run_id
from sent
