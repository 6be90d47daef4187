select payloads, first_at
from pipeline.shapes
where object = ? and source = ? and api_version = ? and verdict = ? and missing = ?;
