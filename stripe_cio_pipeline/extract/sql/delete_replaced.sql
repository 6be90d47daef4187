-- {table}: see store.py.
delete from stripe.{table}
where id in (select id from arrivals);
