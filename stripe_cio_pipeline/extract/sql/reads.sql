-- GET requests by day of Stripe's clock.

-- name: reads_by_day
select day, endpoint, requests
from pipeline.reads
order by day, endpoint;

-- name: reads_of_days
select day, endpoint, sum(requests)
from pipeline.reads
where day in (select unnest(?::date[]))
group by all;

-- name: rows_stored
-- About how many objects there are of each type: DuckDB's own count, which reads no table.
select estimated_size
from duckdb_tables()
where schema_name = 'stripe' and table_name <> 'events';

-- name: forgotten
select id from pipeline.forgotten;

-- name: time_told
-- What Stripe's clock showed when the watermark moved, and this machine's clock then.
select cast(value as bigint), epoch(moved_at)
from pipeline.cursors
where name = 'events.watermark';

-- name: hand_page
insert into pipeline.handed_page (token, since, told, version, read_at, simulated, body)
values ($token, $since, $told, $version, $read_at, $simulated, $body);

-- name: handed_page
select body, told, version, read_at, simulated
from pipeline.handed_page
where token = $token and since <= $since;

-- name: drop_handed_page
delete from pipeline.handed_page;
