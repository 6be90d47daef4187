-- Who is tied to those in scope.
insert into former_members
select rowid as number, customer_id, person_id, role, email_key
from model.members
where (
    person_id in (select person_id from ties where person_id is not null)
    or email_key in (select email_key from ties where email_key is not null)
)
and customer_id not in (select customer_id from former_members)
