-- The newest events that are forwarded. Times are Stripe's.
select
    event_id as event,
    name,
    customer_id as customer,
    strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as created
from model.events
order by created desc, event_id
limit 5
