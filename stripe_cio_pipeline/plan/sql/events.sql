-- Which Stripe events are forwarded now.

-- name: event_ulid
-- A ULID that is the same for the same Stripe event: 48 bits of its time in milliseconds, 80 bits of sha256 of its id.
create or replace temp macro base32_digits(number, count) as
    list_aggregate(
        list_transform(
            range(count - 1, -1, -1),
            lambda place: '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[((number >> (5 * place)) & 31)::integer + 1]
        ),
        'string_agg', ''
    );

create or replace temp macro event_ulid(event_id, created) as
    base32_digits(created * 1000, 10)
    || base32_digits(('0x' || sha256(event_id)[1:10])::bigint, 8)
    || base32_digits(('0x' || sha256(event_id)[11:20])::bigint, 8)

-- name: event_operation
create or replace temp macro event_operation(kind, value, name, event_id, created, data) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":"event","name":' || to_json(name)
    || ',"id":"' || event_ulid(event_id, created) || '","timestamp":' || created
    || ',"attributes":' || coalesce(data::varchar, '{}') || '}'

-- name: unsent_events
-- Stripe events that have not been sent. What was passed over is looked at once more where somebody asks for the past.
create or replace temp table unsent_events as
select e.event_id, e.customer_id, e.created, e.name, e.data, e.guest_email
from model.events as e
anti join (
    select event_id from customerio.events where state <> 'skipped' or not $again
) as s on s.event_id = e.event_id
where e.created >= $since
    -- The model may have been built before the policy was what it is.
    and regexp_full_match(e.type, $types)

-- name: fresh_events
-- The people they are about as the ledger has them.
create or replace temp table fresh_events as
select e.event_id, e.created, e.name, e.data, m.person_id
from unsent_events as e
join model.members as m on m.customer_id = e.customer_id
union all
select event_id, created, name, data, person_id
from guests
where fate = 'known'

-- name: planned_events
-- An event for an identifier that nobody has makes a second person, and one for an internal id makes nobody: that one is used
-- where it is known, and where links are seen nothing else is. Events of people whose link has not settled wait, and so do
-- those of people whose present identifier is about to change.
create or replace temp table planned_events as
with recipients as (
    select
        coalesce(s.person_id, l.person_id) as person_id,
        case when l.cio_id is not null then 'cio_id' when l.id is not null then 'id' else 'email' end as kind,
        coalesce(l.cio_id, l.id, nullif(l.email, '')) as value,
        case
            when t.links_are_seen and l.cio_id is null then false
            when l.state = 'linking'
                then not t.links_are_seen and l.reason is distinct from 'anew' and l.linked_at + to_seconds(t.settle_seconds) <= t.now
            when l.state = 'conflict'
                then l.reason in ('email_taken', 'email_locked', 'email_unseen') and l.attributes::varchar <> '{}'
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
        r.kind,
        r.value
    from fresh_events as f
    left join recipients as r on r.person_id = f.person_id
    left join decisions as d
        on d.person_id = f.person_id
        and (
            d.action in ('identify', 'delete', 'suppress', 'merge')
            or (d.sets in ('email', 'no_email') and (r.kind = 'email' or (r.kind = 'cio_id' and d.is_first_email)))
        )
    where f.event_id not in (select event_id from gone_events)
)
select
    event_id,
    person_id,
    created,
    is_due,
    case when is_due then event_operation(kind, value, name, event_id, created, data) end as operation
from addressed
union all
-- A guest is no person of ours. Whoever has the email in Customer.io is known by the internal id, which makes nobody.
select
    event_id,
    cio_id as person_id,
    created,
    true as is_due,
    event_operation('cio_id', cio_id, name, event_id, created, data) as operation
from guests
where fate = 'found'

-- name: no_planned_events
-- Without events nobody has to be looked up.
create or replace temp table planned_events (
    event_id varchar,
    person_id varchar,
    created bigint,
    is_due boolean,
    operation varchar
)
