update pipeline.runs
set finished_at = $finished_at, outcome = $outcome, summary = $summary
where run_id = $run_id
