update customerio.writes
set before = null, after = null
where person_id = $person_id and (before is not null or after is not null)
