insert into pipeline.runs (run_id, kind, started_at)
values ($run_id, $kind, $started_at)
