-- How what is left of a plan lies in it: spans of positions, with what of each action is in them. One look for all that a
-- delivery wants to know before its first call.
with sized as (
    select position, action, coalesce(strlen(operation), strlen(heading) + strlen(after)) as bytes
    from customerio.operations
    where plan_id = $plan_id
)
select
    sized.position // $span as span,
    sized.action,
    count(*) as items,
    coalesce(sum(sized.bytes), 0)::bigint as bytes,
    coalesce(max(sized.bytes), 0) as widest,
    coalesce(bool_or(sized.bytes is null), false) as has_empty
from sized
anti join (
    select unnest(range(first_position, last_position + 1)) as position
    from customerio.answers
    where plan_id = $plan_id
) as answered on answered.position = sized.position
group by span, sized.action
order by span
