select position, substring(operation, 2) || chr(30) as item
from customerio.plan
where
    plan_id = $plan_id
    and position >= $first
    and position < $after_last
    and action in ('delete', 'suppress', 'merge')
    and strlen(operation) <= $max_bytes
order by position
