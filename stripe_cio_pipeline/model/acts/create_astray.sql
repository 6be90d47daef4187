-- Customers whose own hash puts them into this part and their person's does not, or the other way round.
create or replace temp table astray as
select customer_id
from model.members
where (hash(customer_id) % $parts = $part) <> (hash(person_id) % $parts = $part)
