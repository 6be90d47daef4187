select count(*)
from customerio.plans
where delivered_at is not null
