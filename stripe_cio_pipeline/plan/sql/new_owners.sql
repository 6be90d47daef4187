-- The same, looked for among those whom the model has named since. Whoever was named and is no owner any more is left out.
create or replace temp table new_owners as
with present_owners as (
    select email_key, person_id
    from model.members
    where person_id in (select person_id from model.new_owners)
        and role = 'owner'
        and email_key is not null
),
former_owners as (
    select email_key, person_id
    from model.owners
    where email_key in (select email_key from present_owners)
)
select p.email_key, p.person_id
from present_owners as p
anti join former_owners as o on o.email_key = p.email_key and o.person_id = p.person_id
