select id, event_id, created, kind, usable, content_hash
from pipeline.signals
where object = ? and id in (select unnest(?));
