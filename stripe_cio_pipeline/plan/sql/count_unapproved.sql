select count(*)
from customerio.plan as p
anti join approved_rows as a
    on a.action = p.action
    and a.person_id is not distinct from p.person_id
    and a.event_id is not distinct from p.event_id
    and a.payload_hash = p.payload_hash
where p.action <> 'hold'
