-- What planning itself moves: the ledger where nothing is sent, and the owners of emails.

-- name: settle_ledger
-- Where nothing is sent: settled links are linked, and profiles pass to their present owners.
update customerio.people
set state = 'linked'
from terms as t
where not t.links_are_seen
    and people.state = 'linking'
    and people.reason is distinct from 'anew'
    and people.linked_at + to_seconds(t.settle_seconds) <= t.now;

update customerio.people
set person_id = s.person_id
from successions as s
where people.person_id = s.former

-- name: count_new_owners
-- How many owners of emails may be new, and whether anybody may be.
select count(*) as owners, coalesce(bool_or(email_key is null), false) as are_any
from model.new_owners

-- name: new_owners_all
-- Who owns an email now and did not at the last plan.
create or replace temp table new_owners as
select m.email_key, m.person_id
from model.members as m
anti join model.owners as o on o.email_key = m.email_key and o.person_id = m.person_id
where m.role = 'owner' and m.email_key is not null

-- name: new_owners
-- The same, looked for among those whom the model has named since. Whoever was named and is no owner any more is left out.
create or replace temp table new_owners as
with present_owners as (
    select email_key, person_id
    from model.members
    where person_id in (select person_id from model.new_owners)
        and role = 'owner'
        and email_key is not null
),
former_owners as (
    select email_key, person_id
    from model.owners
    where email_key in (select email_key from present_owners)
)
select p.email_key, p.person_id
from present_owners as p
anti join former_owners as o on o.email_key = p.email_key and o.person_id = p.person_id

-- name: record_owners
-- An owner stays one until it is deleted: model.members reads this.
delete from model.owners
where email_key in (select email_key from new_owners);

insert into model.owners (email_key, person_id)
select email_key, person_id from new_owners;

delete from model.new_owners

-- name: forget_owners
-- What is left of a person who was removed is the proof alone.
delete from model.owners
where person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))

-- name: remember_due
-- The next plan looks again at whoever waits now, and at whose identifier travelled alone. Before it the links of those for
-- whom something waits are looked at, and once after each change whether somebody who was missing is there again.
create or replace temp table looked_for as
select distinct person_id
from customerio.due
where reason = 'missing_in_customerio';

delete from customerio.due;

insert into customerio.due (person_id, due_at, reason)
select d.person_id, t.now, d.reason
from decisions as d
cross join terms as t
where d.action = 'wait' or (d.differs and d.sets in ('id', 'email', 'no_email'))
union all
select distinct e.person_id, t.now, 'event_waiting'
from planned_events as e
cross join terms as t
where not e.is_due
union all
select d.person_id, t.now, d.conflict
from decisions as d
cross join terms as t
where d.state = 'deleted'
    and d.conflict = 'missing_in_customerio'
    and d.modelled
    and d.person_id not in (select person_id from looked_for)

-- name: count_removed
select count(*)
from customerio.people
where state in ('deleted', 'suppressed')

-- name: wipe_removed
-- What is left of a person who was removed is an id and the proof. An email that was given up is still needed until it
-- has settled. Every planned row has an explanation, and what was emptied has none: it tells without reading the rest.
update customerio.operations
set explanation = null, heading = null, operation = null, before = null, after = null
where position in (
    select o.position
    from (
        select position
        from customerio.operations
        where explanation is not null
            and person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))
    ) as o
    inner join customerio.outcomes as a on a.position = o.position
    cross join terms as t
    where a.sent_at + to_seconds(t.settle_seconds) <= t.now
)
