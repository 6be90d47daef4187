select count(*)
from customerio.writes
where person_id = $person and (before is not null or after is not null)
