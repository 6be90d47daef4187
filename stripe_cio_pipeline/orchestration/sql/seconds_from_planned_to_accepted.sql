-- From the plan to the last item that was accepted in a run, by this machine's clock.
select date_part('epoch', max(w.sent_at) - min(p.planned_at))
from customerio.writes as w
inner join customerio.plans as p on p.plan_id = w.plan_id
where w.run_id = ?
    and w.outcome = 'accepted'
