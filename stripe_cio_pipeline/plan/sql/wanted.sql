-- The candidates as the model wants them, without their attributes.
create or replace temp table wanted as
select
    p.person_id,
    p.id,
    p.email,
    lower(p.email) as email_key,
    p._source_event_id as source_event_id,
    p._rejected is not null as is_oversize,
    c.id is not null as deleted
from looked_at as p
semi join candidates as k on k.person_id = p.person_id
left join (
    select id from model.customers where deleted
) as c on c.id = p.person_id
