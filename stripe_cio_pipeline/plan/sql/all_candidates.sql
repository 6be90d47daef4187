create or replace temp table candidates as
select person_id from model.people
union all
select person_id from orphans where person_id not in (select former from successions)
