select object, source, api_version, verdict, missing, payloads, first_at, last_at
from pipeline.shapes
order by last_at desc, object, source, api_version;
