select name, count(*) as people
from (
    select unnest(x.names) as name
    from changes as x
    join decisions as d on d.person_id = x.person_id
    where d.sets = 'changes'
)
group by name
order by name
