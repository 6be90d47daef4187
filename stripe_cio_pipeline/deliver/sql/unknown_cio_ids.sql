select
    people.person_id,
    if(people.id is not null, 'id', 'email') as kind,
    coalesce(people.id, people.email) as name
from customerio.due($first) as plan
inner join customerio.people as people on people.person_id = plan.person_id
where
    people.cio_id is null
    and coalesce(people.id, people.email) is not null
    and (
        -- An email or id that is set and changes; one that is only added needs no internal id.
        (
            plan.action in ('identify', 'update')
            and plan.before is not null
            and len(list_filter(json_keys(plan.after), lambda name: name not in ('id', 'email'))) = 0
            and coalesce(plan.before ->> '$.email', plan.before ->> '$.id') is not null
        )
        or (
            plan.action = 'hold'
            and plan.reason in ('id_needs_cio_id', 'email_needs_cio_id', 'email_locked')
        )
    )
order by kind, people.person_id
