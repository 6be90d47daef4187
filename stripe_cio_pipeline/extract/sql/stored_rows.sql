-- {table}: see store.py.
select id, as_of, source, deleted, customer_id, created, content_hash, source_event_id, seq
from stripe.{table}
where id in (select id from arrivals);
