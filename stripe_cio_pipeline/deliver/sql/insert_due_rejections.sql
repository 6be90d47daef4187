insert into customerio.due (person_id, due_at, reason)
select distinct person_id, $now::timestamp, 'retry'
from retried
where person_id is not null
