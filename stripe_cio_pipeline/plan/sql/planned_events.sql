-- Stripe events that have not been sent. Those of people whose link has not settled wait, and so do those of people whose
-- id is about to change: an event for an unknown id would make a second person.
create or replace temp table planned_events as
with fresh as (
    select e.event_id, e.created, e.name, e.data, m.person_id
    from model.events as e
    anti join customerio.events as s on s.event_id = e.event_id
    join model.members as m on m.customer_id = e.customer_id
    where e.created >= $since
        and ($forward::varchar[] is null or list_contains($forward::varchar[], e.type))
),
addressed as (
    select
        f.*,
        (
            l.state = 'linked'
            or (l.state = 'conflict' and l.reason in ('email_taken', 'email_locked') and l.attributes::varchar <> '{}')
        )
        and d.person_id is null as is_due,
        if(l.id is not null, 'id', 'email') as kind,
        coalesce(l.id, l.email) as value,
        event_ulid(f.event_id, f.created) as ulid
    from fresh as f
    left join ledger as l on l.person_id = f.person_id
    left join decisions as d
        on d.person_id = f.person_id
        and d.action in ('identify', 'delete', 'suppress', 'merge')
)
select
    event_id,
    person_id,
    created,
    coalesce(is_due, false) as is_due,
    if(is_due, '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":"event","name":' || to_json(name)
        || ',"id":"' || ulid || '","timestamp":' || created || ',"attributes":' || coalesce(data::varchar, '{}') || '}', null)
        as operation
from addressed
