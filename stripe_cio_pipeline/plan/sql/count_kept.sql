select action, reason, count(*) as people
from decisions
where action in ('keep', 'wait', 'rejected')
group by all
order by all
