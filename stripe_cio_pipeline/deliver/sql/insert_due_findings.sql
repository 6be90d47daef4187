insert into customerio.due (person_id, due_at, reason)
select distinct person_id, $now::timestamp, finding
from findings
where finding in ('drift', 'not_linked')
