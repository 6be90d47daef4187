select
    reason,
    count(*) as items,
    string_agg(distinct field, ', ') as field,
    min(coalesce(person_id, event_id)) as example,
    min(message) as message
from customerio.rejections
group by reason
order by items desc, reason
