select
    coalesce(strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m'), 'unknown') as month,
    count(*),
    cast(sum(cast(md5_number_lower(id || ':' || content_hash) as hugeint)) as varchar)
from pipeline.listed
where object = $object and coalesce(created, 0) < $began
group by month
order by month;
