-- Calls to Customer.io in the 24 hours before a moment.
select
    count(*) as requests,
    count(*) filter (where status between 200 and 299) as answered,
    coalesce(sum(items), 0) as items,
    coalesce(sum(bytes), 0) as bytes,
    max(sent_at) as last_at
from customerio.requests
where sent_at > $1 - interval 24 hours
