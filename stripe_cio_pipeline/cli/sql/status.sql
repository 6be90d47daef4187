-- What `stripe-cio status` tells.

-- name: status_bindings
select name, value
from pipeline.bindings
order by name

-- name: status_cursors
select name, value, moved_at
from pipeline.cursors
order by name

-- name: status_objects
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

-- name: status_people
select state, count(*) as people
from customerio.people
group by state
order by state

-- name: status_events
select state, count(*) as events
from customerio.events
group by state
order by state

-- name: status_plan
select action, reason, count(*) as items
from customerio.plan
where plan_id in (select plan_id from customerio.plans where delivered_at is null)
group by action, reason
order by items desc, action, reason

-- name: status_rejections
-- Why items were rejected, with a few of the people whom it concerns.
select
    reason,
    field,
    count(*) as items,
    min(first_at) as first_at,
    max(last_at) as last_at,
    max(attempts) as attempts,
    list(coalesce(person_id, event_id) order by last_at desc)[1:5] as examples
from customerio.rejections
group by reason, field
order by items desc, reason

-- name: status_requests
-- Calls to Customer.io in the 24 hours before a moment.
select
    count(*) as requests,
    count(*) filter (where status between 200 and 299) as answered,
    coalesce(sum(items), 0) as items,
    coalesce(sum(bytes), 0) as bytes,
    max(sent_at) as last_at
from customerio.requests
where sent_at > $1 - interval 24 hours

-- name: status_runs
select run_id, kind, started_at, finished_at, outcome
from pipeline.runs
order by started_at desc
limit 5
