insert into customerio.requests (
    request_id, sent_at, endpoint, items, bytes, status, seconds, attempt, plan_id, run_id
)
select
    request_id,
    make_timestamp((sent_at * 1e6)::bigint),
    endpoint,
    items,
    bytes,
    status,
    seconds,
    attempt,
    $plan_id,
    $run_id
from made_calls
