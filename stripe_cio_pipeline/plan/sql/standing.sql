-- What the last plan holds that was not answered: the next one takes its place.
create or replace temp table standing as
select o.plan_id, o.position, o.action, o.person_id, o.event_id
from customerio.operations as o
anti join (
    select unnest(range(first_position, last_position + 1)) as position
    from customerio.answers
    where plan_id = $plan_id
) as a on a.position = o.position
where o.plan_id = $plan_id
