select position, operation
from customerio.plan
where position >= $first and action <> 'hold' and (operation is null or strlen(operation) > $max_bytes)
order by position
limit 1000
