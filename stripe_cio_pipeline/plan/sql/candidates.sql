-- Those for whom there is something to decide: all others have everything already.
create or replace temp table candidates as
select p.person_id
from looked_at as p
anti join ledger as l on l.person_id = p.person_id
union
select person_id from changes
union
select p.person_id
from looked_at as p
join ledger as l on l.person_id = p.person_id
cross join terms as t
where l.state <> 'linked'
    or l.former is not null
    or p._rejected is not null
    or lower(p.email) is distinct from l.email_key
    or (t.strategy <> 'email' and p.id is distinct from l.id)
union
select p.person_id
from looked_at as p
semi join (
    select id from model.customers where deleted
) as c on c.id = p.person_id
where (select on_delete from terms) <> 'keep'
union
select person_id from orphans where person_id not in (select former from successions)
