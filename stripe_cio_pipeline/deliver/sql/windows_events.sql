-- Of each person only the first event that is still due: the next one waits until this one is answered, and all of
-- them wait while a change of the person itself is still due.
with due as (
    select position, action, person_id, operation
    from customerio.due($first)
    where action in ('event', 'identify', 'update')
)
select position // $span as span, sum(strlen(operation)) as bytes
from due
where
    action = 'event'
    and position in (select min(position) from due where action = 'event' group by person_id)
    and person_id not in (select person_id from due where action in ('identify', 'update'))
group by span
order by span
