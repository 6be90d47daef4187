insert into customerio.due (person_id, due_at, reason)
select person_id, $now::timestamp, 'retry'
from customerio.people
where
    state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )
