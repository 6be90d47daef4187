delete from customerio.plan where person_id = $person_id
