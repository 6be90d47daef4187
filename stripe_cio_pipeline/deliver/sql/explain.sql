-- One person's whole history.

-- name: find_person
-- By customer, by event, by Customer.io's id, by email; the model's answer before the ledger's.
with named as (
    select person_id, 1 as place from model.members where customer_id = $name
    union all
    select person_id, 2 from customerio.people where person_id = $name or id = $name or cio_id = $name
    union all
    select members.person_id, 3
    from stripe.events as events
    inner join model.members as members on members.customer_id = events.customer_id
    where events.id = $name
    union all
    select person_id, 4 from customerio.events where event_id = $name
    union all
    select person_id, 5 from model.members where email_key = lower($name) and role = 'owner'
    union all
    select person_id, 6 from customerio.people where lower(trim(email)) = lower($name)
    union all
    select person_id, 7 from customerio.writes where person_id = $name
)
select person_id from named where person_id is not null order by place limit 1

-- name: find_skipped
-- An event of nobody who is known, and why it was not forwarded.
select reason
from customerio.events
where event_id = $name and state = 'skipped' and person_id is null

-- name: explain_skipped
select id, type, created, customer_id
from stripe.events
where id = $name

-- name: explain_customers
select customer_id from model.members where person_id = $person_id order by role = 'owner' desc, customer_id

-- name: explain_ledger
select state, reason, id, cio_id, linked_at, accepted_at, attributes
from customerio.people
where person_id = $person_id

-- name: explain_plan
select action, reason, explanation, event_id from customerio.plan where person_id = $person_id order by position

-- name: explain_writes
-- `renewed` is what people were computed by otherwise than for the plan before: `models`, or the `day`.
-- Null: it is not known.
with made as (
    select
        plan_id,
        counts ->> '$.models' as models,
        counts ->> '$.day' as day,
        lag(counts ->> '$.models') over in_order as models_before,
        lag(counts ->> '$.day') over in_order as day_before
    from customerio.plans
    window in_order as (order by first_position, planned_at)
)
select
    writes.sent_at,
    writes.action,
    writes.reason,
    writes.before,
    writes.after,
    writes.source_event_id,
    writes.event_id,
    writes.outcome,
    writes.detail,
    writes.run_id,
    writes.plan_id,
    writes.request_id,
    requests.status,
    case
        when made.models <> made.models_before then 'models'
        when made.day <> made.day_before then 'day'
        when made.models = made.models_before then 'nothing'
    end as renewed
from customerio.writes as writes
left join made on made.plan_id = writes.plan_id
left join customerio.requests as requests on requests.request_id = writes.request_id
where writes.person_id = $person_id
order by writes.sent_at, writes.event_id nulls first

-- name: explain_events
select event_id, name, created, state, accepted_at, reason, run_id
from customerio.events
where person_id = $person_id
order by created, event_id

-- name: explain_stripe_events
select id, type, created, customer_id
from stripe.events
where
    customer_id in (select customer_id from model.members where person_id = $person_id)
    or customer_id = $person_id
order by created, id

-- name: explain_rejections
select action, event_id, reason, field, message, first_at, last_at, attempts
from customerio.rejections
where person_id = $person_id
order by first_at

-- name: explain_findings
select verified_at, finding, field, run_id
from customerio.verifications
where person_id = $person_id
order by verified_at, finding, field
