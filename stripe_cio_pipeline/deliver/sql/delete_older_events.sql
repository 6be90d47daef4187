delete from customerio.events
where
    event_id in (
        select plan.event_id
        from customerio.operations as plan
        inner join answered on answered.position = plan.position
        where plan.position between $first and $last and plan.action = 'event'
    )
