-- Stripe events that have not been sent, and the people they are about as the ledger has them.
create or replace temp table fresh_events as
select e.event_id, e.created, e.name, e.data, m.person_id
from model.events as e
anti join customerio.events as s on s.event_id = e.event_id
join model.members as m on m.customer_id = e.customer_id
where e.created >= $since
    and ($forward::varchar[] is null or list_contains($forward::varchar[], e.type))
