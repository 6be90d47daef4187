-- What those who stand in somebody's way want for themselves: if it is that person's email, the two swap.
create or replace temp table people_emails as
select p.person_id, lower(p.email) as email_key
from model.people as p
where p.person_id in (select person_id from holders)
