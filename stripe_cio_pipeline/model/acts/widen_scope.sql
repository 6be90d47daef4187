insert into scope
select customer_id
from (
    select customer_id from model.members where person_id in (select person_id from ties)
    union
    select customer_id from model.members where email_key in (select email_key from ties)
) as related
where customer_id not in (select customer_id from scope)
