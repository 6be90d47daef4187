-- The newest Stripe event behind each person's objects.
create or replace temp view newest_events as
select
    members.person_id,
    max(
        struct_pack(as_of := objects.as_of, seq := objects.seq, source_event_id := objects.source_event_id)
    ) as newest
from (
    select id as customer_id, as_of, seq, source_event_id from customers where source_event_id is not null
    union all
    select customer_id, as_of, seq, source_event_id from subscriptions where source_event_id is not null
    union all
    select customer_id, as_of, seq, source_event_id from invoices where source_event_id is not null
    union all
    select customer_id, as_of, seq, source_event_id from charges where source_event_id is not null
) as objects
inner join members on objects.customer_id = members.customer_id
group by members.person_id
