-- Taking away what has grown old and is needed for nothing: neither for what is sent, nor to tell that it was sent once.

-- name: old_requests
delete from customerio.requests
where sent_at < $before

-- name: empty_old_events
-- They were sent, and the ledger knows it: nothing reads their data again.
update stripe.events
set payload = to_json({
    'id': id, 'object': 'event', 'type': type, 'created': created, 'api_version': api_version,
    'data': {'object': {'id': object_id, 'object': object_type, 'customer': customer_id}}
})
where created < $before
    and json_extract(payload, '$.livemode') is not null
    and id in (select event_id from customerio.events)
    and id not in (select event_id from pipeline.signals)

-- name: empty_old_data
update model.events
set data = '{}', guest_email = null
where created < $before and (data::varchar <> '{}' or guest_email is not null) and event_id in (select event_id from customerio.events)

-- name: old_events
-- Nobody forwards them, and Stripe gives none again after 30 days. Those that wait for their person stay, and those whose
-- objects are still to be brought up to date.
delete from stripe.events
where created < $before
    and id not in (select event_id from customerio.events)
    and id not in (select event_id from model.events)
    and id not in (select event_id from pipeline.signals)
