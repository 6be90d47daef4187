-- {table}: see store.py.
select id, payload
from stripe.{table}
where id in (select unnest(?));
