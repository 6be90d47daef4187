-- The first operations of a plan, with what changes. People before events.
select action, person_id, coalesce(explanation, reason) as why, before, after
from customerio.plan
where plan_id = $plan_id
order by action = 'hold', action = 'event', position
limit 10
