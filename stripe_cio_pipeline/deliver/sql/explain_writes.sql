select
    writes.sent_at,
    writes.action,
    writes.reason,
    writes.before,
    writes.after,
    writes.source_event_id,
    writes.event_id,
    writes.outcome,
    writes.detail,
    writes.run_id,
    writes.plan_id,
    writes.request_id,
    requests.status
from customerio.writes as writes
left join customerio.requests as requests on requests.request_id = writes.request_id
where writes.person_id = $person_id
order by writes.sent_at, writes.event_id nulls first
