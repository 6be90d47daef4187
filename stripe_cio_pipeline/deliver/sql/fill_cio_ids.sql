update customerio.people
set cio_id = found.cio_id, seq = $seq, run_id = $run_id
from found_cio_ids as found
where people.person_id = found.person_id and people.cio_id is distinct from found.cio_id
