select person_id, state in ('deleted', 'suppressed') and accepted_at is not null as is_removed
from customerio.people
where person_id = $person or id = $person or lower(email) = lower(trim($person))
