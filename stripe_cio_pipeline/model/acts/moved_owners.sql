-- Those of whom the plan has to note that they own an email.
insert into model.new_owners
select email_key, person_id
from compared_members
where role = 'owner' and email_key is not null and is_moved
