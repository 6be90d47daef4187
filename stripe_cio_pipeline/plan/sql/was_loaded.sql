select count(*) > 0
from customerio.plans
where delivered_at is not null and (counts ->> '$.identify')::bigint > 0
