-- The feed: events as received, and the signals that they leave for objects still to be brought up to date.

-- name: known_events
select id
from stripe.events
where id in (select id from arrivals);

-- name: newest_event
select max(created)
from stripe.events;

-- name: has_event
select count(*)
from stripe.events
where id in (select unnest(?));

-- name: insert_events
insert into stripe.events (
    id, type, object_type, object_id, customer_id, created, livemode, deleted, api_version, payload,
    as_of, source, source_event_id, run_id, content_hash, seq
)
select
    id, type, object_type, object_id, customer_id, created, livemode, false, api_version, payload,
    created, 'event', id, run_id, content_hash, seq
from arrivals;

-- name: insert_signals
insert into pipeline.signals (object, id, event_id, created, kind, usable, content_hash)
select object, id, event_id, created, kind, usable, content_hash
from arrivals;

-- name: signalled_types
select distinct object
from pipeline.signals;

-- name: signalled_objects
select distinct object, id
from pipeline.signals;

-- name: signalled_ids
select distinct id
from pipeline.signals
where object = ? and id not in (select unnest(?::varchar[]))
order by id
limit ?;

-- name: signals_of
select id, event_id, created, kind, usable, content_hash
from pipeline.signals
where object = ? and id in (select unnest(?));

-- name: event_snapshots
select id, payload
from stripe.events
where id in (select unnest(?));

-- name: delete_signals
delete from pipeline.signals
where object = ? and (id, event_id) in (select (id, event_id) from arrivals);

-- name: delete_all_signals
delete from pipeline.signals
where object = ?;
