select run_id, kind, started_at, finished_at, outcome
from pipeline.runs
order by started_at desc
limit 5
