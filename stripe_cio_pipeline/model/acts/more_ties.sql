-- What ties those who have come into scope to customers who are not in it yet: nothing, where a person is an email.
insert into ties
select person_id, email_key
from model.members
where customer_id in (select customer_id from scope)
    and (
        person_id not in (select person_id from ties where person_id is not null)
        or email_key not in (select email_key from ties where email_key is not null)
    )
