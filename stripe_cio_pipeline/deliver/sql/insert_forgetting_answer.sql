insert into customerio.answers (
    plan_id, first_position, last_position, sent_at, outcome, request_id, run_id
)
values ($plan_id, $position, $position, make_timestamp(($sent_at::double * 1e6)::bigint), 'accepted', $request_id, $run_id)
