select event_id, name, created, state, accepted_at, reason, run_id
from customerio.events
where person_id = $person_id
order by created, event_id
