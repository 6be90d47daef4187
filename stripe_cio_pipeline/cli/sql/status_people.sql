select state, count(*) as people
from customerio.people
group by state
order by state
