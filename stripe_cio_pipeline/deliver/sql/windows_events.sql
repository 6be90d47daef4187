-- Of each person only the first event that is still due: the next one waits until this one is answered, and all of
-- them wait while a change of the person itself is still due.
select position // $span as span, sum(strlen(operation)) as bytes
from customerio.plan
where
    plan_id = $plan_id
    and action = 'event'
    and position in (
        select min(position) from customerio.plan where plan_id = $plan_id and action = 'event' group by person_id
    )
    and person_id not in (
        select person_id from customerio.plan where plan_id = $plan_id and action in ('identify', 'update')
    )
group by span
order by span
