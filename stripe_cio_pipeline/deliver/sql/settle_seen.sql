-- Only who moves gets a new seq: the next plan looks at everybody who has one.
update customerio.people
set
    state = 'linked',
    cio_id = seen.cio_id,
    seq = if(people.state = 'linking', $seq, people.seq),
    run_id = $run_id
from seen_people as seen
where
    people.person_id = seen.person_id
    and people.state in ('linking', 'linked')
    and (people.state = 'linking' or people.cio_id is distinct from seen.cio_id)
