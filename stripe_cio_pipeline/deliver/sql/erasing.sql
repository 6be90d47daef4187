-- Emptying what is kept of a person: Stripe's objects, what the model made of them, and what Customer.io said.

-- name: objects_of_person
-- Ids by which Stripe's objects of the person's customers are told, those that name a charge and no customer among them.
with charges as (
    select id from stripe.charges where list_contains($customers, customer_id)
)
select unnest($customers::varchar[]) as id
union
select id from charges
union
select id from stripe.disputes where payload ->> 'charge' in (select id from charges)

-- name: guest_events_of_person
-- What they did as guests, before they were customers or beside it: told by their email alone.
select event_id
from model.events
where guest_email in (select email_key from model.members where list_contains($customers, customer_id))

-- name: guest_objects_of_person
select object_id
from stripe.events
where list_contains($events, id) and object_id is not null

-- name: erase_guests
delete from customerio.guests
where email_key in (select email_key from model.members where list_contains($customers, customer_id));
update model.events
set data = '{}', guest_email = null
where guest_email in (select email_key from model.members where list_contains($customers, customer_id))

-- name: payloads_of_person
select id, payload::varchar
from stripe.{table}
where payload is not null and (list_contains($customers, customer_id) or list_contains($ids, id))

-- name: events_of_person
select id, payload::varchar
from stripe.events
where payload is not null and (
    list_contains($customers, customer_id) or list_contains($ids, object_id) or list_contains($events, id)
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
delete from model.owners where list_contains($customers, person_id);
delete from model.new_owners where list_contains($customers, person_id);
update model.events set data = '{}' where list_contains($customers, customer_id)

-- name: erase_said
-- What Customer.io said of them may quote what was sent.
update customerio.rejections set message = null where list_contains($customers, person_id);
update customerio.verifications set detail = null where list_contains($customers, person_id);
update customerio.answers
set detail = null
where detail is not null and exists (
    select 1
    from customerio.operations as o
    where list_contains($customers, o.person_id) and o.position between first_position and last_position
)

-- name: has_members
select 1
from duckdb_tables()
where schema_name = 'model' and table_name = 'members'

-- name: removed_people
-- People whom Stripe deleted, Customer.io has removed for it, and of whom something is still kept; with all their customers.
-- Until the removal has settled, plans go by what was sent.
select p.person_id, list(m.customer_id)
from customerio.people as p
inner join model.members as m on p.person_id = m.person_id
inner join stripe.customers as c on m.customer_id = c.id
where p.state in ('deleted', 'suppressed')
    and coalesce(p.accepted_at <= make_timestamp(($settled::double * 1e6)::bigint), true)
    and p.person_id not in (select id from pipeline.forgotten)
group by p.person_id
having bool_and(c.deleted)
