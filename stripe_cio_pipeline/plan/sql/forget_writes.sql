update customerio.writes
set before = null, after = null
where person_id = $person
