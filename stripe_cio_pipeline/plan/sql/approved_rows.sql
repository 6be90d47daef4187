create or replace temp table approved_rows as
select p.plan_id, p.action, p.person_id, p.event_id, p.payload_hash
from customerio.plan as p
join customerio.plans as s using (plan_id)
where s.approved_at is not null and s.delivered_at is null
