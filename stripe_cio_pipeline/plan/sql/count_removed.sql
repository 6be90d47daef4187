select count(*)
from customerio.people
where state in ('deleted', 'suppressed')
