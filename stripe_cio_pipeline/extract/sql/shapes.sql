-- API versions and shapes of payloads that are not the pinned ones.

-- name: shape_findings
select object, source, api_version, verdict, missing, payloads, first_at, last_at
from pipeline.shapes
order by last_at desc, object, source, api_version;

-- name: shape_known
select payloads, first_at
from pipeline.shapes
where object = ? and source = ? and api_version = ? and verdict = ? and missing = ?;
