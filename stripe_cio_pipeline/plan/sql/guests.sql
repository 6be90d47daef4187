-- Events that name no customer: who may get them, and why the others are not forwarded.

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

-- name: skipped_guests
create or replace temp view skipped_guests as
from guests
where fate in ('event_of_nobody', 'event_of_guest', 'event_of_unknown_guest')

-- name: count_guests
select fate, count(*) as events
from guests
where fate not in ('known', 'found')
group by fate
order by fate

-- name: record_skipped
-- Once, so that they are counted once.
delete from customerio.events
where state = 'skipped' and event_id in (select event_id from skipped_guests);

insert into customerio.events (event_id, name, created, state, reason, run_id)
select event_id, name, created, 'skipped', fate, $run_id
from skipped_guests

-- name: seek_guests
-- Delivery looks for these. What is not believed any more is not kept.
delete from customerio.guests
where email_key in (select guest_email from guests where fate = 'event_of_sought_guest')
    or looked_at <= (select now from terms) - interval 7 days;

insert into customerio.guests (email_key)
select distinct guest_email
from guests
where fate = 'event_of_sought_guest'
