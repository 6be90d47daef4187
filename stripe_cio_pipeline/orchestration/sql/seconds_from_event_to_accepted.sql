-- Half of what a run delivered because of an event was accepted sooner than this after the event. Stripe's clock and this
-- machine's are taken to agree; a sandbox whose clock was moved gives no figure.
select nullif(greatest(median(date_part('epoch', w.sent_at) - e.created), 0), 0)
from customerio.writes as w
inner join stripe.events as e on e.id = w.source_event_id
where w.run_id = ?
    and w.outcome = 'accepted'
