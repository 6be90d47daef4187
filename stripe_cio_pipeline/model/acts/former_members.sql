-- Those in scope, as they were modelled last: the row's number, so that it is replaced without looking for it again.
create or replace temp table former_members as
select rowid as number, customer_id, person_id, role, email_key
from model.members
where customer_id in (select customer_id from scope)
