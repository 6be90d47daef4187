insert into customerio.due (person_id, due_at, reason)
values ($person, $now, $reason)
