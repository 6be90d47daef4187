create or replace temp table scope as
select customer_id
from model.members
where hash(person_id) % $parts = $part
