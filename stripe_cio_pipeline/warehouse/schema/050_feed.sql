-- The feed of events remembers nothing but its watermark: an interrupted walk begins there again.

delete from pipeline.slices
where object = 'events';
alter table pipeline.slices drop column finished;
alter table pipeline.slices drop column rows_read;

-- A gap that was not healed yet: everything that was listed before is to be listed again.
insert into pipeline.cursors (name, value, moved_at, run_id)
select 'events.lost_before', watermark.value, gap.moved_at, gap.run_id
from pipeline.cursors as gap, pipeline.cursors as watermark
where gap.name = 'events.gap' and gap.value <> '' and watermark.name = 'events.watermark';
delete from pipeline.cursors
where name in ('events.gap', 'events.walk');
