insert into customerio.operations
    (plan_id, position, action, person_id, event_id, reason, explanation, operation, source_event_id)
select
    $plan_id,
    $start
    + (select coalesce(max(rowid) - min(rowid) + 1, 0) from decisions)
    + row_number() over (order by e.created, e.event_id),
    'event',
    e.person_id,
    e.event_id,
    'event_forwarded',
    w.sentence,
    e.operation,
    e.event_id
from planned_events as e
left join wordings as w on w.reason = 'event_forwarded'
anti join customerio.rejections as r on r.event_id = e.event_id and r.payload_hash = md5(e.operation)
where e.is_due
