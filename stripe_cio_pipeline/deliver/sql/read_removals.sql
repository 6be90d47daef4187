select operations.position, substring(operations.operation, 2) || chr(30) as item
from customerio.operations as operations
anti join (
    select unnest(range(first_position, last_position + 1)) as position
    from customerio.answers
    where plan_id = $plan_id and last_position >= $first and first_position < $after_last
) as answered on answered.position = operations.position
where
    operations.plan_id = $plan_id
    and operations.position >= $first
    and operations.position < $after_last
    and operations.action in ('delete', 'suppress', 'merge')
    and strlen(operations.operation) <= $max_bytes
order by operations.position
