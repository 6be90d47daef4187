insert into customerio.operations
    (plan_id, position, action, person_id, reason, explanation, heading, operation, before, after, source_event_id)
select
    $plan_id,
    $start + p.position,
    p.action,
    p.person_id,
    p.reason,
    if(contains(w.sentence, '{other}'), replace(w.sentence, '{other}', coalesce(p.other, 'another person')), w.sentence),
    p.heading,
    p.operation,
    p.before,
    p.after,
    p.source_event_id
from planned_people as p
left join wordings as w on w.reason = p.reason
anti join customerio.rejections as r
    on r.person_id = p.person_id and r.payload_hash = md5(operation_text(p.operation, p.heading, p.after))
