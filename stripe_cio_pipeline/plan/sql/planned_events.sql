-- Events of people whose link has not settled wait, and so do those of people whose id is about to change: an event for an
-- unknown id would make a second person.
create or replace temp table planned_events as
with recipients as (
    select
        coalesce(s.person_id, l.person_id) as person_id,
        l.id,
        l.email,
        case
            when l.state = 'linking' then l.linked_at + to_seconds(t.settle_seconds) <= t.now
            when l.state = 'conflict'
                then l.reason in ('email_taken', 'email_locked') and l.attributes::varchar <> '{}'
            else l.state = 'linked'
        end as is_settled
    from customerio.people as l
    left join successions as s on s.former = l.person_id
    cross join terms as t
    where coalesce(s.person_id, l.person_id) in (select person_id from fresh_events)
),
addressed as (
    select
        f.*,
        coalesce(r.is_settled, false) and d.person_id is null as is_due,
        if(r.id is not null, 'id', 'email') as kind,
        coalesce(r.id, r.email) as value
    from fresh_events as f
    left join recipients as r on r.person_id = f.person_id
    left join decisions as d
        on d.person_id = f.person_id
        and d.action in ('identify', 'delete', 'suppress', 'merge')
)
select
    event_id,
    person_id,
    created,
    is_due,
    case
        when is_due
            then '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":"event","name":' || to_json(name)
                || ',"id":"' || event_ulid(event_id, created) || '","timestamp":' || created
                || ',"attributes":' || coalesce(data::varchar, '{}') || '}'
    end as operation
from addressed
