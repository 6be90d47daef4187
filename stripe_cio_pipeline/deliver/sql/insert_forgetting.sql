insert into customerio.writes (sent_at, action, person_id, reason, outcome, request_id, run_id)
values (make_timestamp(($sent_at::double * 1e6)::bigint), 'suppress', $person_id, 'forgotten', 'accepted', $request_id, $run_id)
