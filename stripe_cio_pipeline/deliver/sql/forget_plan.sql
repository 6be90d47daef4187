delete from customerio.operations
where
    person_id = $person_id
    and rowid not in (
        select operations.rowid
        from customerio.operations as operations
        inner join customerio.outcomes as outcomes
            on outcomes.position = operations.position
        where operations.person_id = $person_id
    )
