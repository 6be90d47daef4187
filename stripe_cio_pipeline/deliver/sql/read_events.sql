with due as (
    select position, action, person_id, operation
    from customerio.due($begin)
    where action in ('event', 'identify', 'update')
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
