select person_id, count(*)
from model.people
group by person_id
having count(*) > 1
limit 1
