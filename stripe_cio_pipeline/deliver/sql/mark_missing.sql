-- Removed in Customer.io by somebody: not created again.
update customerio.people
set
    state = 'deleted',
    reason = 'missing_in_customerio',
    email = null,
    attributes = '{}',
    seq = $seq,
    run_id = $run_id
where person_id in (select person_id from findings where finding = 'missing')
