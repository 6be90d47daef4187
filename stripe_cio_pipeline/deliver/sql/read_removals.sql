select position, substring(operation, 2) || chr(30) as item
from customerio.due($first, after_last := $after_last)
where action in ('delete', 'suppress', 'merge') and strlen(operation) <= $max_bytes
order by position
