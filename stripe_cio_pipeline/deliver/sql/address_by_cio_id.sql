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
