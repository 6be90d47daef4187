-- From the last move of the event watermark to the plan, by this machine's clock.
select date_part('epoch', p.planned_at - max(c.moved_at))
from customerio.plans as p
cross join pipeline.cursors as c
where p.plan_id = ?
    and c.name like 'events%'
group by p.planned_at
