-- How what is left of a plan lies in it: spans of positions, with what of each action is in them. One look for all that a
-- delivery wants to know before its first call.
select
    position // $span as span,
    action,
    count(*) as items,
    coalesce(sum(bytes), 0)::bigint as bytes,
    coalesce(max(bytes), 0) as widest,
    coalesce(bool_or(bytes is null), false) as has_empty
from (
    select position, action, coalesce(strlen(operation), strlen(heading) + strlen(after)) as bytes
    from customerio.due($first)
)
group by span, action
order by span
