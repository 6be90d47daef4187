-- Events that nobody gets: those that name no customer, unless somebody has the guest's email, and those of people who are gone.

-- name: guests
-- `fate` is what becomes of an event: `known`, the email is that of a person who is a customer too; `found`, Customer.io has
-- somebody with it; else the reason why it waits or is not forwarded. What was found is believed for a week.
create or replace temp table guests as
select
    e.event_id,
    e.created,
    e.name,
    e.data,
    e.guest_email,
    o.person_id,
    g.cio_id,
    case
        when e.guest_email is null then 'event_of_nobody'
        when $guests <> 'email' then 'event_of_guest'
        when o.person_id is not null then 'known'
        when g.cio_id is not null then 'found'
        when g.looked_at is null then 'event_of_sought_guest'
        else 'event_of_unknown_guest'
    end as fate
from unsent_events as e
cross join terms as t
left join model.members as o on o.email_key = e.guest_email and o.role = 'owner'
left join customerio.guests as g on g.email_key = e.guest_email and g.looked_at > t.now - interval 7 days
where e.customer_id is null

-- name: gone_events
-- Stripe has deleted their person, and Customer.io has not got them (any more), or never took them: neither comes back. A
-- person who is linked gets the last events too, and a link that is on its way is waited for.
create or replace temp table gone_events as
select f.event_id, f.person_id, f.created, f.name
from fresh_events as f
cross join terms as t
left join customerio.people as l on l.person_id = f.person_id
where f.person_id in (select id from model.customers where deleted)
    and case l.state
        when 'linked' then false
        when 'linking' then l.reason is not distinct from 'anew' and t.on_delete = 'keep'
        when 'conflict' then l.reason is not distinct from 'id_refused'
        else true
    end

-- name: skipped_events
create or replace temp view skipped_events as
select event_id, null as person_id, name, created, fate as reason
from guests
where fate in ('event_of_nobody', 'event_of_guest', 'event_of_unknown_guest')
union all
select event_id, person_id, name, created, 'event_of_deleted_customer' as reason
from gone_events

-- name: count_sought
select count(*)
from guests
where fate = 'event_of_sought_guest'

-- name: count_skipped
select reason, count(*) as events
from skipped_events
group by reason
order by reason

-- name: record_skipped
-- Once, so that they are counted once.
delete from customerio.events
where state = 'skipped' and event_id in (select event_id from skipped_events);

insert into customerio.events (event_id, person_id, name, created, state, reason, run_id)
select event_id, person_id, name, created, 'skipped', reason, $run_id
from skipped_events

-- name: seek_guests
-- Delivery looks for these. What is not believed any more is not kept.
delete from customerio.guests
where email_key in (select guest_email from guests where fate = 'event_of_sought_guest')
    or looked_at <= (select now from terms) - interval 7 days;

insert into customerio.guests (email_key)
select distinct guest_email
from guests
where fate = 'event_of_sought_guest'
