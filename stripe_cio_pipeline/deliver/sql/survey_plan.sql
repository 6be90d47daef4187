-- How a plan's operations lie in it: spans of positions, with what of each action is in them. One look for all that a
-- delivery wants to know before its first call.
select
    position // $span as span,
    action,
    count(*) as items,
    coalesce(sum(strlen(operation)), 0)::bigint as bytes,
    coalesce(max(strlen(operation)), 0) as widest,
    coalesce(bool_or(operation is null), false) as has_empty
from customerio.plan
where plan_id = $plan_id
group by span, action
order by span
