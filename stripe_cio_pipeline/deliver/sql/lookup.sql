-- Internal ids that are not known yet.

-- name: unknown_cio_ids
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

-- name: address_by_cio_id
-- The operation as planning writes it once it knows the internal id, so that its hash stays that of the next plan.
update customerio.operations
set
    heading = null,
    operation = renamed.operation
from (
    select
        plan.position,
        replace(
            plan.operation,
            '"identifiers":' || (plan.operation -> '$.identifiers')::varchar || ',',
            '"identifiers":{"cio_id":' || to_json(people.cio_id)::varchar || '},'
        ) as operation
    from customerio.plan as plan
    inner join customerio.people as people on people.person_id = plan.person_id
    where
        plan.position >= $first
        and plan.action in ('identify', 'update')
        and people.cio_id is not null
        and len(list_filter(json_keys(plan.after), lambda name: name not in ('id', 'email'))) = 0
        and coalesce(plan.before ->> '$.email', plan.before ->> '$.id') is not null
) as renamed
where operations.position = renamed.position

-- name: sought_guests
-- Guests of whom the last plan wants to know whether Customer.io has them.
select email_key
from customerio.guests
where looked_at is null
order by email_key
limit 10000

-- name: note_guests
update customerio.guests
set cio_id = looked.cio_id, looked_at = make_timestamp(($now::double * 1e6)::bigint)
from looked_guests as looked
where guests.email_key = looked.email_key

-- name: fill_cio_ids
-- Nobody moves by that: a row keeps its `seq`, so that what was planned for it can still take its place. Who is held for
-- want of it is looked at by every plan.
update customerio.people
set cio_id = found.cio_id, run_id = $run_id
from found_cio_ids as found
where people.person_id = found.person_id and people.cio_id is distinct from found.cio_id
