insert into scope
select customer_id
from former_members
where customer_id not in (select customer_id from scope)
