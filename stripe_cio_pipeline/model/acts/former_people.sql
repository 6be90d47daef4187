-- People that the customers in scope were when they were modelled last.
create or replace temp table former_people as
select distinct person_id
from former_members
where person_id is not null
