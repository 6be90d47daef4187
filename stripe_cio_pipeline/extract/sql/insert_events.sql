insert into stripe.events (
    id, type, object_type, object_id, customer_id, created, livemode, deleted, api_version, payload,
    as_of, source, source_event_id, run_id, content_hash, seq
)
select
    id, type, object_type, object_id, customer_id, created, livemode, false, api_version, payload,
    created, 'event', id, run_id, content_hash, seq
from arrivals;
