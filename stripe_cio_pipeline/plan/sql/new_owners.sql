-- Looked up in steps, so that nothing is built over everybody, and by number, so that only the end of the table is read.
create or replace temp table present_owners as
select email_key, person_id
from model.members
where rowid in (select rowid from model.members where person_id in (select person_id from looked_at))
    and role = 'owner'
    and email_key is not null;

create or replace temp table new_owners as
with former_owners as (
    select o.email_key, o.person_id
    from model.owners as o
    semi join present_owners as p on p.email_key = o.email_key
)
select p.email_key, p.person_id
from present_owners as p
anti join former_owners as o on o.email_key = p.email_key and o.person_id = p.person_id
