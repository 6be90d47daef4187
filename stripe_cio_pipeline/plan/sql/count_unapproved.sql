select count(*)
from customerio.operations as p
anti join approved_rows as a
    on a.action = p.action
    and a.person_id is not distinct from p.person_id
    and a.event_id is not distinct from p.event_id
    and a.payload_hash = md5(operation_text(p.operation, p.heading, p.after))
where p.position > $start and p.action <> 'hold'
