with due as (
    select operations.position, operations.action, operations.person_id, operations.operation
    from customerio.operations as operations
    anti join (
        select unnest(range(first_position, last_position + 1)) as position
        from customerio.answers
        where plan_id = $plan_id
    ) as answered on answered.position = operations.position
    where operations.plan_id = $plan_id and operations.action in ('event', 'identify', 'update')
)
select position, substring(operation, 2) || chr(30) as item
from due
where
    position >= $first
    and position < $after_last
    and action = 'event'
    and strlen(operation) <= $max_bytes
    and position in (select min(position) from due where action = 'event' group by person_id)
    and person_id not in (select person_id from due where action in ('identify', 'update'))
order by position
