select count(*) > 0
from pipeline.runs
where run_id = $run_id
