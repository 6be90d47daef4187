update customerio.operations
set explanation = null, heading = null, operation = null, before = null, after = null
where
    person_id = $person_id
    and coalesce(heading, operation, before::varchar, after::varchar) is not null
