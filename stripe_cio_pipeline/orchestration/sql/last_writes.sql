-- The last writes of a run and what became of them.
select action, person_id as person, event_id as event, reason as why, outcome, detail
from customerio.writes
where run_id = $run_id
order by sent_at desc, person_id, event_id
limit 10
