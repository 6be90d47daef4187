-- Who owns an email now and did not at the last plan.
create or replace temp table new_owners as
select m.email_key, m.person_id
from model.members as m
anti join model.owners as o on o.email_key = m.email_key and o.person_id = m.person_id
where m.role = 'owner' and m.email_key is not null
