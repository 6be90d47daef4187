-- Why customers belong to their person.
select role, reason, count(*) as customers
from model.members
group by role, reason
order by customers desc, role, reason
