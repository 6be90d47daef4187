delete from pipeline.runs
where run_id = $run_id
