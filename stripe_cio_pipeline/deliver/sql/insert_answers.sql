insert into customerio.answers (
    plan_id, first_position, last_position, sent_at, outcome, detail, request_id, run_id
)
select
    $plan_id,
    first_position,
    last_position,
    make_timestamp((sent_at * 1e6)::bigint),
    outcome,
    detail,
    request_id,
    $run_id
from handed_answers
