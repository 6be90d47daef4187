-- Why items were rejected, with a few of the people whom it concerns.
select
    reason,
    field,
    count(*) as items,
    min(first_at) as first_at,
    max(last_at) as last_at,
    max(attempts) as attempts,
    list(coalesce(person_id, event_id) order by last_at desc)[1:5] as examples
from customerio.rejections
group by reason, field
order by items desc, reason
