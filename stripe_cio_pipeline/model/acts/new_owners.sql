-- A plan notes them: it need not look for them among everybody.
insert into model.new_owners
select email_key, person_id
from temp.members
where role = 'owner' and email_key is not null
except
select email_key, person_id
from former_members
where role = 'owner'
