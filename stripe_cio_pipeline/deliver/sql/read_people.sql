-- Operations without their opening brace, each closed by a separator: packed without touching them one by one.
-- A slice, `operation[2:]`, would take three times as long as everything else here.
select position, substring(operation, 2) || chr(30) as item
from customerio.plan
where
    plan_id = $plan_id
    and position >= $first
    and position < $after_last
    and action in ('identify', 'update')
    and strlen(operation) <= $max_bytes
order by position
