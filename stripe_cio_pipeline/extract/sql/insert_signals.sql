insert into pipeline.signals (object, id, event_id, created, kind, usable, content_hash)
select object, id, event_id, created, kind, usable, content_hash
from arrivals;
