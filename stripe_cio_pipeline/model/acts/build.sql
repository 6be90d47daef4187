-- A build's frame: what was built last, what changed, and where models read.

-- name: changed
-- Ids of the raw objects that were written after the model last looked.
create or replace temp table changed as
select 'customers' as object, id from stripe.customers where seq > $mark
union all
select 'subscriptions', id from stripe.subscriptions where seq > $mark
union all
select 'invoices', id from stripe.invoices where seq > $mark
union all
select 'charges', id from stripe.charges where seq > $mark
union all
select 'products', id from stripe.products where seq > $mark
union all
select 'prices', id from stripe.prices where seq > $mark
union all
select 'coupons', id from stripe.coupons where seq > $mark
union all
select 'disputes', id from stripe.disputes where seq > $mark
union all
select 'credit_notes', id from stripe.credit_notes where seq > $mark
union all
select 'invoice_payments', id from stripe.invoice_payments where seq > $mark

-- name: identity
create or replace temp table identity as select ?::varchar as strategy, ?::varchar as metadata_key

-- name: not_granted
-- Types of objects that the key may not read: what is made of them is not known.
create or replace temp table not_granted as select distinct object from pipeline.not_granted

-- name: lock
-- From here on SQL of users runs: what it cannot be kept from otherwise it cannot change here.
set allowed_configs = ['search_path', 'disabled_compression_methods', 'TimeZone'];
set lock_configuration = true

-- name: read_raw
set search_path = 'stripe'

-- name: read_typed
set search_path = 'model'

-- name: write_fast
-- Without these a million people are written in three quarters of the time, and take three times the space. Until
-- `write_small`.
set disabled_compression_methods = 'dict_fsst,fsst,alp,alprd'

-- name: write_small
reset disabled_compression_methods

-- name: newest_events
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
