-- What `stripe-cio status` tells.

-- name: status_bindings
select name, value
from pipeline.bindings
order by name

-- name: status_cursors
select name, value, moved_at
from pipeline.cursors
order by name

-- name: status_object
-- What is stored of one Stripe object type, its table in $2, and how far its history has been read.
with stored as (
    select
        count(*) filter (where not deleted) as live,
        count(*) filter (where deleted) as deleted,
        max(case when $1 = 'events' then created else as_of end) as newest
    from query_table($2)
),

history as (
    select
        json_extract_string(value, '$.state') as state,
        cast(json_extract_string(value, '$.rows') as bigint) as rows_listed
    from pipeline.cursors
    where name = 'history.' || $1
)

select $1 as object, stored.live, stored.deleted, stored.newest, history.state as history, history.rows_listed
from stored
left join history on true

-- name: status_people
select state, count(*) as people
from customerio.people
group by state
order by state

-- name: status_not_found
select count(*) as people
from customerio.people
where missed_at is not null

-- name: status_refused_values
select name || ' was refused by Customer.io' as reason, count(distinct person_id) as people
from customerio.refused_values
group by name
order by name

-- name: status_has_members
select 1
from information_schema.tables
where table_schema = 'model' and table_name = 'members'

-- name: status_unusable_emails
select 'email is no address' as reason, count(*) as people
from model.members
where reason = 'unusable_email'
having count(*) > 0

-- name: status_events
select if(state = 'skipped', state || ': ' || reason, state) as state, count(*) as events
from customerio.events
group by all
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
