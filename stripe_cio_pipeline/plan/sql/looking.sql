-- Whom a plan looks at: those who may have changed since the last one.

-- name: terms
-- What the policy says and what time it is, for all that follows.
create or replace temp table terms as
select
    $now::timestamp as now,
    $strategy::varchar as strategy,
    $settle_seconds::bigint as settle_seconds,
    $merge::boolean as merge,
    $on_delete::varchar as on_delete,
    $without_email::varchar as without_email,
    $links_are_seen::boolean as links_are_seen

-- name: wordings
create or replace temp table wordings as
select unnest($reasons::varchar[]) as reason, unnest($sentences::varchar[]) as sentence

-- name: lost_all
-- Ledger rows whose customer is no person of its own (any more).
create or replace temp table lost as
select l.person_id, l.state, l.linked_at
from customerio.people as l
anti join model.people as p on p.person_id = l.person_id
where l.state in ('linking', 'linked', 'conflict')

-- name: lost_new
-- The same, looked for among those who left the model: to look everybody up takes five times as long.
create or replace temp table lost as
select l.person_id, l.state, l.linked_at
from customerio.people as l
semi join model.former_people as f on f.person_id = l.person_id
anti join model.people as p on p.person_id = l.person_id
where l.state in ('linking', 'linked', 'conflict')

-- name: orphans
-- Ledger rows whose customer is no person of its own (any more), and who the person is that it belongs to now.
create or replace temp table orphans as
with memberships as (
    select customer_id, person_id
    from model.members
    where customer_id in (select person_id from lost)
),
accounts as (
    select id, deleted
    from model.customers
    where id in (select person_id from lost)
)
select l.*, m.person_id as joined, coalesce(a.deleted, false) as deleted
from lost as l
left join memberships as m on m.customer_id = l.person_id and m.person_id <> l.person_id
left join accounts as a on a.id = l.person_id

-- name: successions
-- Which profile passes to whom: the owner of an email is gone, and the next one is not known in Customer.io yet.
create or replace temp table successions as
select o.person_id as former, o.joined as person_id
from orphans as o
semi join model.people as p on p.person_id = o.joined
anti join customerio.people as l on l.person_id = o.joined
qualify row_number() over (
    partition by o.joined
    order by o.state <> 'linked', o.linked_at nulls last, o.person_id
) = 1

-- name: count_moved
-- How many have moved since the last plan, in the model or in the ledger, and how many people there are.
select
    greatest(
        (select count(*) from model.people where _seq > $mark),
        (select count(*) from customerio.people where seq > $mark)
    ) as moved,
    (select count(*) from model.people) as people

-- name: looked_at_all
create or replace temp view looked_at as
from model.people;

create or replace temp view known as
from customerio.people

-- name: suspects
-- Whoever may need something other than at the last plan: changed in the model, moved in the ledger, still open there.
create or replace temp table suspects as
select person_id from model.people where _seq > $mark
union
select person_id from customerio.people where seq > $mark
union
select person_id from customerio.people where state = 'linking'
union
select person_id from successions
union
select former from successions
union
select person_id from orphans
union
select joined from orphans where joined is not null
union
select p.person_id
from standing as p
join customerio.plans as s using (plan_id)
where p.person_id is not null and (p.action = 'hold' or s.delivered_at is null)
union
select person_id from customerio.rejections where person_id is not null
union
select person_id from customerio.due

-- name: looked_at_new
-- The rows of the suspects are copied, so that nothing below reads the wide columns of everybody. Rows that the model wrote
-- since the last plan stand together at the table's end; who is suspected for another reason is looked up apart.
create or replace temp table looked_at as
from model.people
where _seq > $mark;

create or replace temp table others as
select person_id
from suspects
where person_id not in (select person_id from looked_at);

create or replace temp table known as
select * exclude (accepted_at, run_id)
from customerio.people
semi join suspects using (person_id)

-- name: looked_at_others
-- By number, which leaves unread what stands before the first of them: the model writes rows anew at the table's end.
insert into looked_at
from model.people
where rowid in (select rowid from model.people where person_id in (select person_id from others))

-- name: count_refused_values
select count(*)
from customerio.refused_values

-- name: refused_values
-- Of whom an email or a phone is left out, because Customer.io has refused exactly that one.
create or replace temp table refused as
select p.person_id, coalesce(bool_or(r.name = 'email'), false) as email, coalesce(bool_or(r.name = 'phone'), false) as phone
from model.people as p
join customerio.refused_values as r on r.person_id = p.person_id
where r.value_hash = customerio.keyed_hash(case r.name when 'email' then p.email when 'phone' then {phone} end)
group by p.person_id

-- name: looked_at_without_refused
create or replace temp view looked_at as
select p.* replace ({replaced})
from model.people as p
left join refused as r on r.person_id = p.person_id

-- name: leave_out_refused
update looked_at
set {replaced}
from refused as r
where r.person_id = looked_at.person_id

-- name: ledger
-- The ledger as of now: links that had time to settle are linked, unless they are seen before, and profiles belong to their
-- present owners.
create or replace temp view ledger as
select
    coalesce(s.person_id, l.person_id) as person_id,
    s.former,
    case
        when l.state = 'linking' and l.reason is distinct from 'anew' and not t.links_are_seen and l.linked_at + to_seconds(t.settle_seconds) <= t.now
            then 'linked'
        else l.state
    end as state,
    l.state = 'linking' and t.links_are_seen and coalesce(l.reason = 'unseen', false) as is_unseen,
    l.id,
    l.email,
    lower(trim(l.email)) as email_key,
    l.cio_id,
    l.attributes,
    l.reason,
    l.seq
from known as l
left join successions as s on s.former = l.person_id
cross join terms as t
