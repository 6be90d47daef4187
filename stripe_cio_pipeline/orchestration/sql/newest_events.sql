-- The newest events of the feed. Times are Stripe's.
select
    id,
    type,
    object_id as object,
    customer_id as customer,
    strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as created
from stripe.events
order by created desc, id
limit 5
