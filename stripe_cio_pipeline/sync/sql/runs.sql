-- Runs, as the warehouse keeps them.

-- name: has_run
select count(*) > 0
from pipeline.runs
where run_id = $run_id

-- name: finish_run
update pipeline.runs
set finished_at = $finished_at, outcome = $outcome, summary = $summary
where run_id = $run_id
