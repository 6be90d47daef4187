select action, person_id, event_id, reason, explanation, before, after, source_event_id
from previewed_operations
order by action = 'event', position
limit $rows
