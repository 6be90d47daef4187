-- {table}: see store.py.
select count(*), count(*) filter (where not deleted)
from stripe.{table};
