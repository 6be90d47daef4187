select *
from model.people
order by _seq desc, person_id
limit 5
