select count(*)
from stripe.events
where id in (select unnest(?));
