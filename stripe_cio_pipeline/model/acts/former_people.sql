-- People that the customers in scope were when they were modelled last.
create or replace temp table former_people as
select distinct person_id
from model.members
where customer_id in (select customer_id from scope)
