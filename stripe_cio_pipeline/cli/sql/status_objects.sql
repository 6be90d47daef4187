-- What is stored of each Stripe object type, and how far its history has been read.
with stored as (
    select 'customers' as object, deleted, as_of from stripe.customers
    union all
    select 'subscriptions', deleted, as_of from stripe.subscriptions
    union all
    select 'invoices', deleted, as_of from stripe.invoices
    union all
    select 'charges', deleted, as_of from stripe.charges
    union all
    select 'products', deleted, as_of from stripe.products
    union all
    select 'prices', deleted, as_of from stripe.prices
    union all
    select 'coupons', deleted, as_of from stripe.coupons
    union all
    select 'events', deleted, created from stripe.events
),

counted as (
    select
        object,
        count(*) filter (where not deleted) as live,
        count(*) filter (where deleted) as deleted,
        max(as_of) as newest
    from stored
    group by object
),

history as (
    select
        object,
        count(*) as slices,
        count(*) filter (where finished) as slices_finished
    from pipeline.slices
    group by object
)

select
    coalesce(counted.object, history.object) as object,
    coalesce(counted.live, 0) as live,
    coalesce(counted.deleted, 0) as deleted,
    counted.newest,
    coalesce(history.slices, 0) as slices,
    coalesce(history.slices_finished, 0) as slices_finished
from counted
full outer join history using (object)
order by object
