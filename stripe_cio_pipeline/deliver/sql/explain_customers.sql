select customer_id from model.members where person_id = $person_id order by role = 'owner' desc, customer_id
