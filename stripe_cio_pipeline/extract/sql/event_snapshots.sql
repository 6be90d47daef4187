select id, payload
from stripe.events
where id in (select unnest(?));
