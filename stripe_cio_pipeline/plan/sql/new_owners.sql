-- Looked up in two steps, so that nothing is built over everybody.
create or replace temp table present_owners as
select m.email_key, m.person_id
from model.members as m
semi join looked_at as c on c.person_id = m.person_id
where m.role = 'owner' and m.email_key is not null;

create or replace temp table new_owners as
with former_owners as (
    select o.email_key, o.person_id
    from model.owners as o
    semi join present_owners as p on p.email_key = o.email_key
)
select p.email_key, p.person_id
from present_owners as p
anti join former_owners as o on o.email_key = p.email_key and o.person_id = p.person_id
