select verified_at, finding, field, run_id
from customerio.verifications
where person_id = $person_id
order by verified_at, finding, field
