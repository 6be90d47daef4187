-- The person of whom most was written: the one to look at.
select person_id
from customerio.writes
where person_id is not null
group by person_id
order by count(*) desc, person_id
limit 1
