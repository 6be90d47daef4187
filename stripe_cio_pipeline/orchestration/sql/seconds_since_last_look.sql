-- How long ago Stripe was asked for events for the last time, by this machine's clock. No row moves where nothing is new, so
-- the finished run counts too.
select date_part('epoch', (now() at time zone 'UTC') - max(moment))
from (
    select moved_at as moment
    from pipeline.cursors
    where name like 'events%'
    union all
    select finished_at
    from pipeline.runs
    where outcome is not null
)
