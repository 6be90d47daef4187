-- Customers whose row differs from the one that stands there: as they are now, and who they were. Those who are no customers
-- any more have no columns of now. Who only has another reason is where they were.
create or replace temp table compared_members as
select
    members.* exclude (content, place),
    former.customer_id as former_id,
    former.person_id as former_person_id,
    members.place is distinct from former.place as is_moved
from (
    select *, hash(*columns(*)) as content, hash(person_id, role, email_key) as place
    from members_of_the_model
) as members
full join (
    select customer_id, person_id, hash(*columns(*)) as content, hash(person_id, role, email_key) as place
    from model.members
) as former on members.customer_id = former.customer_id
where members.content is distinct from former.content
