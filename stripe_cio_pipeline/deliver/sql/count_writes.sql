select
    action,
    outcome,
    if(outcome = 'rejected', split_part(detail, ':', 1), null) as reason,
    count(*)
from customerio.writes
where plan_id = ? and run_id = ?
group by all
