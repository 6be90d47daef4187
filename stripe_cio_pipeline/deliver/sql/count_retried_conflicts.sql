select count(*)
from customerio.people
where
    state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )
