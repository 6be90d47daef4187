-- What the user was last told.

-- name: read_alerts
select subject, state from pipeline.alerts

-- name: last_finished_sync
-- A sync that was never finished counts from its start, so that a pipeline which never worked is stale too.
select epoch(coalesce(max(finished_at) filter (where outcome = 'done'), min(started_at)))
from pipeline.runs
where kind = 'sync'
