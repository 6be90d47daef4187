select action, reason, explanation, event_id from customerio.plan where person_id = $person_id order by position
