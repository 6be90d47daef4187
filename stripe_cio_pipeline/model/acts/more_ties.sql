-- What ties those who were found to customers who were not yet: nothing, where a person is an email.
insert into ties
select person_id, email_key
from former_members
where person_id not in (select person_id from ties where person_id is not null)
    or email_key not in (select email_key from ties where email_key is not null)
