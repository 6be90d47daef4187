-- Nulls are left out of the data: in a mail they would print as nothing, and the item has a limit.
select
    event_id,
    type,
    customer_id,
    cast(created as bigint) as created,
    name,
    json_merge_patch('{}', cast(data as json)) as data
from events_of_the_model
