select action, reason, count(*) as people
from decisions
where action in ('wait', 'rejected')
group by all
order by all
