-- The rows of one object type: looked up, replaced, counted. `{table}` is the object type (objects.py): the tables have one form.

-- name: settings_for_bulk
-- All hold until the file is closed.
-- A checkpoint rewrites the last row group, whose rows may be a hundred thousand; closing the file makes one anyway.
set wal_autocheckpoint = '64MB';
-- Payloads are much alike: zstd takes two thirds of the default's processor time and a quarter of its space.
set force_compression = 'zstd';
-- Measured on appends of 8,000 rows: one thread takes as long as four and half the processor time, which parsing needs.
set threads = 1;
-- A page is written once and not read again. More memory would only keep blocks of the last row group, 200 MB of them;
-- settings_for_wide_rows gives it back.
set variable usual_memory = current_setting('memory_limit');
set memory_limit = '96MB';

-- name: settings_for_wide_rows
-- Holds until the file is closed. What wide rows need is not known beforehand, and too little would fail the commit.
-- (Not RESET: in DuckDB 1.5 it shows the former limit and goes on with the present one.)
set memory_limit = coalesce(getvariable('usual_memory'), current_setting('memory_limit'));

-- name: stored_rows
select id, as_of, source, deleted, customer_id, created, content_hash, source_event_id, seq, epoch_us(read_at)
from stripe.{table}
where id in (select id from arrivals);

-- name: stored_payloads
select id, payload
from stripe.{table}
where id in (select unnest(?));

-- name: payloads_of_customers
select customer_id, id, payload
from stripe.{table}
where customer_id in (select unnest(?)) and not deleted;

-- name: delete_replaced
delete from stripe.{table}
where id in (select id from arrivals);

-- name: insert_rows
insert into stripe.{table} (
    id, customer_id, created, livemode, deleted, payload, as_of, source, source_event_id, run_id, content_hash, seq,
    read_at
)
select
    id, customer_id, created, livemode, deleted, payload, as_of, source, source_event_id, run_id, content_hash, seq,
    read_at
from arrivals;

-- name: confirm_rows
-- The content is as it was: only since when we know it is new, and the row keeps its `seq`.
update stripe.{table} as stored
set as_of = arrivals.as_of, source = arrivals.source, read_at = arrivals.read_at
from arrivals
where stored.id = arrivals.id;

-- name: count_rows
select count(*), count(*) filter (where not deleted)
from stripe.{table};
