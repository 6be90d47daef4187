delete from customerio.rejections
where
    exists (
        from touched
        where
            touched.person_id is not distinct from rejections.person_id
            and touched.event_id is not distinct from rejections.event_id
            and touched.scope is not distinct from rejections.scope
    )
