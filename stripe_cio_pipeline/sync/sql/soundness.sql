-- What must not be in the model, because people would take each other's place.

-- name: emails_of_several_people
select any_value(trim(email)) as email, count(*) as people
from model.people
where email is not null
group by lower(trim(email))
having count(*) > 1
order by people desc, email
limit 20

-- name: people_with_several_rows
select person_id as person, count(*) as rows
from model.people
group by person_id
having count(*) > 1
order by rows desc, person
limit 20
