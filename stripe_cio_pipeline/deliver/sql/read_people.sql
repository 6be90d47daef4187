-- Operations without their opening brace, each closed by a separator: packed without touching them one by one.
-- A slice, `operation[2:]`, would take three times as long as everything else here.
select
    position,
    coalesce(substring(operation, 2), substring(heading, 2) || substring(after, 2) || '}') || chr(30) as item
from customerio.due($first, after_last := $after_last)
where
    action in ('identify', 'update')
    and coalesce(strlen(operation), strlen(heading) + strlen(after)) <= $max_bytes
order by position
