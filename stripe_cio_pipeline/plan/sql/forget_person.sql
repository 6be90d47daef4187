-- The email stays only where nothing else could address the deletion, and only until it is accepted.
update customerio.people
set
    state = if($is_removed, state, 'deleted'),
    reason = 'forgotten',
    email = case when not $is_removed and id is null and cio_id is null then email end,
    attributes = '{}',
    accepted_at = if($is_removed, accepted_at, null),
    linked_at = null,
    seq = $seq
where person_id = $person
