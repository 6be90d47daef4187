-- Newest rows of tables, for an asset's metadata.

-- name: rows_in_table
select count(*)
from query_table($table)

-- name: has_table
select exists (from duckdb_tables() where schema_name = $schema and table_name = $table)
    or exists (from duckdb_views() where schema_name = $schema and view_name = $table)

-- name: newest_objects
-- The objects that were written last. Times are Stripe's.
select
    id,
    customer_id as customer,
    strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m-%d %H:%M') as created,
    strftime(to_timestamp(as_of) at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as "true as of",
    source,
    coalesce(source_event_id, '') as event,
    deleted
from query_table($table)
order by seq desc, as_of desc, id
limit 5

-- name: newest_events
-- The newest events of the feed. Times are Stripe's.
select
    id,
    type,
    object_id as object,
    customer_id as customer,
    strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as created
from stripe.events
order by created desc, id
limit 5

-- name: newest_people
select *
from model.people
order by _seq desc, person_id
limit 5

-- name: newest_model_events
-- The newest events that are forwarded. Times are Stripe's.
select
    event_id as event,
    name,
    customer_id as customer,
    strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as created
from model.events
order by created desc, event_id
limit 5

-- name: members_by_reason
-- Why customers belong to their person.
select role, reason, count(*) as customers
from model.members
group by role, reason
order by customers desc, role, reason

-- name: shared_emails
-- People who are several Stripe customers.
select person_id as person, max(email) as email, count(*) as customers, max(reason) filter (where role = 'owner') as why
from model.members
group by person_id
having count(*) > 1
order by customers desc, person_id
limit 5

-- name: first_operations
-- The first operations of a plan, with what changes. People before events.
select action, person_id, coalesce(explanation, reason) as why, before, after
from customerio.plan
where plan_id = $plan_id
order by action = 'hold', action = 'event', position
limit 10

-- name: last_writes
-- The last writes of a run and what became of them.
select action, person_id as person, event_id as event, reason as why, outcome, detail
from customerio.writes
where run_id = $run_id
order by sent_at desc, person_id, event_id
limit 10
