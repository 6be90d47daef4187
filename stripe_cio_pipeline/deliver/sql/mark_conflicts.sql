-- Of a refused identify nothing was applied, so that nothing of it counts as accepted.
update customerio.people
set
    state = 'conflict',
    reason = conflicts.reason,
    attributes = if(conflicts.was_identify, '{}', people.attributes),
    cio_id = coalesce(conflicts.cio_id, people.cio_id),
    seq = $seq,
    run_id = $run_id
from conflicts
where people.person_id = conflicts.person_id
