-- What is stored of each Stripe object type, and how far its history has been read.
with stored as (
    select 'customers' as object, count(*) filter (where not deleted) as live, count(*) filter (where deleted) as deleted, max(as_of) as newest
    from stripe.customers
    union all
    select 'subscriptions', count(*) filter (where not deleted), count(*) filter (where deleted), max(as_of)
    from stripe.subscriptions
    union all
    select 'invoices', count(*) filter (where not deleted), count(*) filter (where deleted), max(as_of)
    from stripe.invoices
    union all
    select 'charges', count(*) filter (where not deleted), count(*) filter (where deleted), max(as_of)
    from stripe.charges
    union all
    select 'products', count(*) filter (where not deleted), count(*) filter (where deleted), max(as_of)
    from stripe.products
    union all
    select 'prices', count(*) filter (where not deleted), count(*) filter (where deleted), max(as_of)
    from stripe.prices
    union all
    select 'coupons', count(*) filter (where not deleted), count(*) filter (where deleted), max(as_of)
    from stripe.coupons
    union all
    select 'events', count(*) filter (where not deleted), count(*) filter (where deleted), max(created)
    from stripe.events
),

history as (
    select
        replace(name, 'history.', '') as object,
        json_extract_string(value, '$.state') as state,
        cast(json_extract_string(value, '$.rows') as bigint) as rows_listed
    from pipeline.cursors
    where name like 'history.%'
)

select stored.object, stored.live, stored.deleted, stored.newest, history.state as history, history.rows_listed
from stored
left join history using (object)
order by stored.object
