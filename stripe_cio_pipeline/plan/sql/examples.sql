select distinct person_id
from customerio.operations
where position > $start
    and list_contains($actions::varchar[], action)
    and ($reasons::varchar[] is null or list_contains($reasons::varchar[], reason))
order by person_id
limit $rows
