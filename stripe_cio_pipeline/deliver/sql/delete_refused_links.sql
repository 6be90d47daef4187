delete from customerio.people
where
    reason = 'id_refused'
    and state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )
