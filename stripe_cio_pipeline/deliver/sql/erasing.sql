-- Emptying what is kept of a person: Stripe's objects, what the model made of them, and what Customer.io said.

-- name: objects_of_person
-- Charges are told by other objects that name no customer; all others name theirs.
select id
from stripe.{table}
where '{table}' = 'charges' and list_contains($customers::varchar[], customer_id)

-- name: create_mentions
-- Whether a text has one of these addresses in it, and not as a part of a longer one.
create or replace temp macro mentions(words, emails) as
    len(
        list_filter(
            emails,
            lambda email: contains(words, email)
            and regexp_matches(
                words, '(^|[^\pL\pN._%+''-])' || regexp_escape(email) || '($|[^\pL\pN.-]|\.($|[^\pL\pN]))'
            )
        )
    ) > 0

-- name: objects_of_guest
-- What they did without being a customer, before they were one or beside it: told by their email alone.
select id
from stripe.{table}
where customer_id is null and payload is not null and mentions(lower(payload::varchar), $emails::varchar[])

-- name: events_of_guest
-- Goods are nobody's, whatever they are called.
select id
from stripe.events
where customer_id is null
    and payload is not null
    and coalesce(object_type, '') not in ('product', 'price', 'plan', 'coupon', 'promotion_code')
    and mentions(lower(payload::varchar), $emails::varchar[])

-- name: disputes_of_charges
select id
from stripe.disputes
where payload ->> 'charge' in (select unnest($ids::varchar[]))

-- name: objects_of_events
select object_id
from stripe.events
where list_contains($events::varchar[], id) and object_id is not null

-- name: erase_guests
delete from customerio.guests
where list_contains($emails::varchar[], email_key);
update model.events
set data = '{}', guest_email = null
where list_contains($emails::varchar[], guest_email)

-- name: payloads_of_person
select id, payload::varchar
from stripe.{table}
where payload is not null and (list_contains($customers::varchar[], customer_id) or list_contains($ids::varchar[], id))

-- name: events_of_person
select id, payload::varchar
from stripe.events
where payload is not null and (
    list_contains($customers::varchar[], customer_id)
    or list_contains($ids::varchar[], object_id)
    or list_contains($events::varchar[], id)
    or (customer_id is null and list_contains($ids::varchar[], payload ->> '$.data.object.charge'))
)

-- name: empty_payload
update stripe.{table}
set payload = $payload, content_hash = $hash, seq = $seq
where id = $id

-- name: empty_event
-- It keeps its number: as a new one it would be forwarded.
update stripe.events
set payload = $payload, content_hash = $hash
where id = $id

-- name: erase_handed_page
-- Events on their way into stripe.events.
delete from pipeline.handed_page

-- name: note_forgotten
insert into pipeline.forgotten
select id, $person_id, now() at time zone 'UTC'
from (select unnest($ids::varchar[]) as id)
where id not in (select id from pipeline.forgotten)

-- name: suppress_customers
-- Without their email they would be people of their own to the model, and created.
insert into customerio.people (person_id, state, attributes, reason, run_id, seq)
select id, 'suppressed', '{}', 'forgotten', $run_id, $seq
from (select unnest($customers::varchar[]) as id)
where id not in (select person_id from customerio.people)

-- name: erase_model
delete from model.owners where person_id in (select id from pipeline.forgotten);
delete from model.new_owners where person_id in (select id from pipeline.forgotten);
update model.events
set data = '{}'
where customer_id in (select id from pipeline.forgotten) and data::varchar <> '{}'

-- name: erase_said
-- What Customer.io said of them may quote what was sent.
update customerio.rejections set message = null where list_contains($customers::varchar[], person_id);
update customerio.verifications set detail = null where list_contains($customers::varchar[], person_id);
update customerio.answers
set detail = null
where detail is not null and exists (
    select 1
    from customerio.operations as o
    where list_contains($customers::varchar[], o.person_id) and o.position between first_position and last_position
)

-- name: has_members
select 1
from duckdb_tables()
where schema_name = 'model' and table_name = 'members'

-- name: removed_people
-- People whom Stripe deleted, of whom Customer.io has nothing (any more), and something is still kept here; with all their
-- customers. Until the removal has settled, plans go by what was sent.
select m.person_id, list(distinct m.customer_id), list(distinct m.email_key) filter (where m.email_key is not null)
from model.members as m
inner join stripe.customers as c on m.customer_id = c.id
left join customerio.people as p on m.person_id = p.person_id
where m.person_id not in (select id from pipeline.forgotten)
group by m.person_id
having bool_and(c.deleted)
    and bool_and(
        case
            when p.state in ('deleted', 'suppressed')
                then coalesce(p.accepted_at <= make_timestamp(($settled::double * 1e6)::bigint), true)
            -- Nothing of them was ever taken, so the policy alone says what becomes of them.
            else $removes and (p.person_id is null or coalesce(p.state = 'conflict' and p.reason = 'id_refused', false))
        end
    )
