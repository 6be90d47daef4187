insert into model.former_people
select person_id
from former_people
where person_id not in (select person_id from model.people where person_id is not null)
