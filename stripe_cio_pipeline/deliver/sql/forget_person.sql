update customerio.people
set
    state = 'suppressed', reason = 'forgotten', email = null, attributes = '{}', seq = $seq, run_id = $run_id
where person_id = $person_id
