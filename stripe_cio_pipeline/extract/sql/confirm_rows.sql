-- {table}: see store.py. The content is as it was: only since when we know it is new, and the row keeps its `seq`.
update stripe.{table} as stored
set as_of = arrivals.as_of, source = arrivals.source
from arrivals
where stored.id = arrivals.id;
