-- What was answered now and has, or had, a rejection: only few ever do. `scope` says what the operation is about.
create temp table touched as
with answers as (
    select
        plan.position,
        plan.action,
        plan.person_id,
        plan.event_id,
        plan.payload_hash,
        case
            when plan.action = 'event' then 'event'
            when plan.action in ('delete', 'suppress', 'merge') then 'removal'
            when len(list_filter(json_keys(plan.after), lambda name: name not in ('id', 'email'))) = 0 then 'identifier'
            else 'attributes'
        end as scope,
        answered.reason,
        answered.field,
        answered.message,
        answered.answered_at
    from customerio.planned as plan
    inner join answered on answered.position = plan.position
    where
        plan.position between $first and $last
        and (
            answered.reason is not null
            or plan.person_id in (select person_id from customerio.rejections)
            or plan.event_id in (select event_id from customerio.rejections)
        )
)
select
    answers.*,
    earlier.first_at,
    -- `retry` clears the hash and keeps the count.
    if(coalesce(earlier.payload_hash, answers.payload_hash) = answers.payload_hash, earlier.attempts, null) as attempts
from answers
left join customerio.rejections as earlier
    on
        earlier.person_id is not distinct from answers.person_id
        and earlier.event_id is not distinct from answers.event_id
        and earlier.scope = answers.scope
