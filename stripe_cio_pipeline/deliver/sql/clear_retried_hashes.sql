-- Planning skips what has a rejection of the same hash.
update customerio.rejections
set payload_hash = null
where
    exists (
        from retried
        where
            retried.person_id is not distinct from rejections.person_id
            and retried.event_id is not distinct from rejections.event_id
            and retried.scope is not distinct from rejections.scope
    )
