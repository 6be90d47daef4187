select person_id as person, count(*) as rows
from model.people
group by person_id
having count(*) > 1
order by rows desc, person
limit 20
