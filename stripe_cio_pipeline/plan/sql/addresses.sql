-- Who has which email in Customer.io as far as we know, and which were given up so lately that they may still be taken.
create or replace temp table sought as
select w.email_key
from wanted as w
left join ledger as l on l.person_id = w.person_id
where w.email_key is not null
    and w.email_key is distinct from l.email_key;

create or replace temp table holders as
select lower(trim(l.email)) as email_key, min(coalesce(s.person_id, l.person_id)) as person_id
from customerio.people as l
semi join sought as w on w.email_key = lower(trim(l.email))
left join successions as s on s.former = l.person_id
where l.state in ('linking', 'linked')
group by all;

-- The answers are picked first: mostly there are none so young, and then no operation is read.
create or replace temp table released as
with young as (
    select unnest(range(first_position, last_position + 1)) as position
    from customerio.answers
    where outcome = 'accepted'
        and sent_at > (select now - to_seconds(settle_seconds) from terms)
)
select distinct lower(trim(o.before ->> '$.email')) as email_key
from customerio.operations as o
semi join young as y on y.position = o.position
where (o.before ->> '$.email') is not null
