select action, event_id, reason, field, message, first_at, last_at, attempts
from customerio.rejections
where person_id = $person_id
order by first_at
