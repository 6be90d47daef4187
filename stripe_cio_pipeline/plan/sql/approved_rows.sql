create or replace temp table approved_rows as
select p.plan_id, p.action, p.person_id, p.event_id, p.payload_hash
from customerio.planned as p
semi join standing as l on l.position = p.position
join customerio.plans as s on s.plan_id = p.plan_id
where p.position >= $first and s.approved_at is not null and s.delivered_at is null
