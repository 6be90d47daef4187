-- How many of some events cannot start a campaign any more: 72 hours before the last look at Stripe, by Stripe's clock.
select count(*)
from model.events
where event_id in (select unnest($events))
    and created < (
        select coalesce(max(cast(value as bigint)), $now)
        from pipeline.cursors
        where name = 'events.watermark'
    ) - 72 * 3600
