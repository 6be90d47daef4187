-- {table}: see store.py. The hash is made anew from the payload: a stored hash would prove nothing about it.
select
    coalesce(strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m'), 'unknown') as month,
    count(*),
    cast(sum(cast(md5_number_lower(id || ':' || left(sha256(cast(payload as varchar)), 32)) as hugeint)) as varchar)
from stripe.{table}
where not deleted and coalesce(created, 0) < $began
group by month
order by month;
