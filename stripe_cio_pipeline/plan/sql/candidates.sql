-- Those for whom there is something to decide: all others have everything already.
create or replace temp table candidates as
select p.person_id
from looked_at as p
anti join ledger as l on l.person_id = p.person_id
union
select person_id from compared
union
select p.person_id
from looked_at as p
semi join (
    select id from model.customers where deleted
) as c on c.id = p.person_id
where (select on_delete from terms) <> 'keep'
union
select person_id from orphans where person_id not in (select former from successions)
