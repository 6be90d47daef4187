select state, reason, id, cio_id, linked_at, accepted_at, attributes
from customerio.people
where person_id = $person_id
