select state, count(*) as events
from customerio.events
group by state
order by state
