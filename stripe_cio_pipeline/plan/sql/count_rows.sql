select action, reason, count(*) as rows
from customerio.plan
group by all
order by all
