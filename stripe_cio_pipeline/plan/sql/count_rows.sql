select action, reason, count(*) as rows
from customerio.operations
where position > $start
group by all
order by all
