select id
from stripe.events
where id in (select id from arrivals);
