-- {table}: see store.py.
insert into stripe.{table} (
    id, customer_id, created, livemode, deleted, payload, as_of, source, source_event_id, run_id, content_hash, seq
)
select
    id, customer_id, created, livemode, deleted, payload, as_of, source, source_event_id, run_id, content_hash, seq
from arrivals;
