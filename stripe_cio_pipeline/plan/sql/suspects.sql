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
