-- Whoever is one person with a customer in scope, by the last build or by an email that is the same now.
insert into scope
select customer_id
from (
    select members.customer_id
    from model.members
    where members.person_id in (
        select person_id from model.members where customer_id in (select customer_id from scope)
    )
    union
    select members.customer_id
    from model.members
    where members.email_key in (
        select lower(email) from model.customers where id in (select customer_id from scope)
    )
    union
    select customers.id
    from model.customers
    where lower(customers.email) in (
        select email_key from model.members where customer_id in (select customer_id from scope)
        union
        select lower(email) from model.customers where id in (select customer_id from scope)
    )
) as related
where customer_id not in (select customer_id from scope)
