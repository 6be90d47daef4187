-- Which profile passes to whom: the owner of an email is gone, and the next one is not known in Customer.io yet.
create or replace temp table successions as
select o.person_id as former, o.joined as person_id
from orphans as o
semi join model.people as p on p.person_id = o.joined
anti join customerio.people as l on l.person_id = o.joined
qualify row_number() over (
    partition by o.joined
    order by o.state <> 'linked', o.linked_at nulls last, o.person_id
) = 1
