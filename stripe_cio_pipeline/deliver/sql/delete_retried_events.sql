delete from customerio.events
where state = 'rejected' and event_id in (select event_id from retried)
