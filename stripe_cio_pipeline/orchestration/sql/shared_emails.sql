-- People who are several Stripe customers.
select person_id as person, max(email) as email, count(*) as customers, max(reason) filter (where role = 'owner') as why
from model.members
group by person_id
having count(*) > 1
order by customers desc, person_id
limit 5
