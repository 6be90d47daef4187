insert into pipeline.listed (object, id, created, content_hash, finding)
select object, id, created, content_hash, finding
from arrivals;
