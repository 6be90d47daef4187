-- GET requests by day of Stripe's clock.

-- name: reads_by_day
select day, endpoint, requests
from pipeline.reads
order by day, endpoint;

-- name: reads_of_day
select sum(requests)
from pipeline.reads
where day = ? and endpoint = ?;

-- name: forgotten
select id from pipeline.forgotten;

-- name: time_told
-- What Stripe's clock showed when the watermark moved, and this machine's clock then.
select cast(value as bigint), epoch(moved_at)
from pipeline.cursors
where name = 'events.watermark';
