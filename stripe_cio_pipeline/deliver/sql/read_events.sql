select position, substring(operation, 2) || chr(30) as item
from customerio.plan
where
    plan_id = $plan_id
    and position >= $first
    and position < $after_last
    and action = 'event'
    and strlen(operation) <= $max_bytes
    and position in (
        select min(position) from customerio.plan where plan_id = $plan_id and action = 'event' group by person_id
    )
    and person_id not in (
        select person_id from customerio.plan where plan_id = $plan_id and action in ('identify', 'update')
    )
order by position
