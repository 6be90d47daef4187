-- What makes customers one person with those in scope: a person of the last build, or an email that is the same now. An email
-- that is new stands with a customer who changed, and those stand together.
create or replace temp table ties as
select person_id, email_key
from model.members
where customer_id in (select customer_id from scope)
union
select null as person_id, lower(email) as email_key
from model.customers
where seq > $mark
