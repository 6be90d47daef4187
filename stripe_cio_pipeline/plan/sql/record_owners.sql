create or replace temp table new_owners as
select m.email_key, m.person_id
from model.members as m
semi join candidates as c on c.person_id = m.person_id
anti join model.owners as o on o.email_key = m.email_key and o.person_id = m.person_id
where m.role = 'owner' and m.email_key is not null;

delete from model.owners
where email_key in (select email_key from new_owners);

insert into model.owners (email_key, person_id)
select email_key, person_id from new_owners;

-- What is left of a person who was removed is the proof alone.
delete from model.owners
where person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))
