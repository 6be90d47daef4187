select id, type, created, customer_id
from stripe.events
where
    customer_id in (select customer_id from model.members where person_id = $person_id)
    or customer_id = $person_id
order by created, id
