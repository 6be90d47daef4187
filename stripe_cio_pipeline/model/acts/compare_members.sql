-- Customers who are another person than they were, or in another role: as they are now, and who they were. Those who are
-- no customers any more have no columns of now.
create or replace temp table compared_members as
select members.* exclude (content), former.customer_id as former_id, former.person_id as former_person_id
from (select *, hash(*columns(*)) as content from members_of_the_model) as members
full join (select *, hash(*columns(*)) as content from model.members) as former on members.customer_id = former.customer_id
where members.content is distinct from former.content
