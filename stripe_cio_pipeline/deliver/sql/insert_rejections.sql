insert into customerio.rejections (
    action, person_id, event_id, scope, reason, field, message, payload_hash, first_at, last_at, attempts, run_id
)
select
    action,
    person_id,
    event_id,
    scope,
    reason,
    field,
    message,
    payload_hash,
    if(attempts is null, answered_at, first_at),
    answered_at,
    coalesce(attempts, 0) + 1,
    $run_id
from touched
where reason is not null
