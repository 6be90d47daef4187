create temp table retried as
select rejections.person_id, rejections.event_id, rejections.scope
from customerio.rejections as rejections
left join customerio.people as people on people.person_id = rejections.person_id
where
    rejections.payload_hash is not null
    and (
        $everybody
        or list_contains($names::varchar[], lower(rejections.person_id))
        or list_contains($names::varchar[], lower(rejections.event_id))
        or list_contains($names::varchar[], lower(people.id))
        or list_contains($names::varchar[], lower(trim(people.email)))
    )
