-- Operations without their opening brace, each closed by a separator: packed without touching them one by one.
-- A slice, `operation[2:]`, would take three times as long as everything else here.
select
    operations.position,
    coalesce(
        substring(operations.operation, 2),
        substring(operations.heading, 2) || substring(operations.after, 2) || '}'
    ) || chr(30) as item
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
    and operations.action in ('identify', 'update')
    and coalesce(strlen(operations.operation), strlen(operations.heading) + strlen(operations.after)) <= $max_bytes
order by operations.position
