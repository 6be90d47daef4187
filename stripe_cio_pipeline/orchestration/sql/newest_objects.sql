-- The objects that were written last. Times are Stripe's.
select
    id,
    customer_id as customer,
    strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m-%d %H:%M') as created,
    strftime(to_timestamp(as_of) at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as "true as of",
    source,
    coalesce(source_event_id, '') as event,
    deleted
from query_table($table)
order by seq desc, as_of desc, id
limit 5
