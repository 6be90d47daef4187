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
select id from pipeline.forgotten
