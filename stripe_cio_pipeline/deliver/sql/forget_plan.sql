delete from customerio.operations
where
    person_id = $person_id
    and rowid not in (
        select operations.rowid
        from customerio.operations as operations
        inner join customerio.outcomes as outcomes
            on outcomes.plan_id = operations.plan_id and outcomes.position = operations.position
        where operations.person_id = $person_id
    )
