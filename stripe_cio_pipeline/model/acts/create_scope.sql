create or replace temp table scope as
select distinct customer_id
from touched
where customer_id is not null
