select state, reason, count(*) as people, min(person_id) as example
from customerio.people
where state in ('conflict', 'held')
group by state, reason
order by people desc, state, reason
