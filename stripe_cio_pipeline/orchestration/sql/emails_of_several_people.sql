select any_value(trim(email)) as email, count(*) as people
from model.people
where email is not null
group by lower(trim(email))
having count(*) > 1
order by people desc, email
limit 20
