insert into customerio.verifications (run_id, verified_at, person_id, finding, field, detail)
select $run_id, $now::timestamp, person_id, finding, field, detail
from kept_findings
