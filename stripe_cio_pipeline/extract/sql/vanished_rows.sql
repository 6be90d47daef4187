-- {table}: see store.py.
select id
from stripe.{table}
where
    not deleted
    and coalesce(created, 0) < $began
    and id not in (select id from pipeline.listed where object = '{table}')
order by id;
