update customerio.people
set
    state = 'linked',
    reason = null,
    email = null,
    attributes = json_merge_patch(attributes, '{"email": null}'),
    seq = $seq
where
    state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )
