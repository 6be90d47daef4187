-- Taking away what has grown old and is needed for nothing: neither for what is sent, nor to tell that it was sent once, nor
-- to say of anything that stands today when and why it was sent.

-- name: old_requests
delete from customerio.requests
where sent_at < $before

-- name: old_runs
-- The last run of each kind and outcome tells since when nothing has finished.
delete from pipeline.runs
where started_at < $before
    and run_id not in (
        select arg_max(run_id, started_at)
        from pipeline.runs
        group by kind, outcome
    )

-- name: old_proofs
delete from pipeline.reconciliations
where reconciled_at < $before
    and (object, reconciled_at) not in (
        select (object, max(reconciled_at))
        from pipeline.reconciliations
        where not dry_run
        group by object
    )

-- name: create_past
-- What was answered before the plan that stands, of people of whom something can go: whoever had a change, an event, a
-- refusal or a finding, so long ago. `earlier_at` is when something was sent to the person before. What is left of those who were removed
-- is the proof.
create or replace temp table past as
with standing as (
    select coalesce(max(first_position), 0) as first
    from customerio.plans
),
answered as (
    select o.*, a.outcome, a.sent_at, a.sent_at < $before and o.position < s.first as is_old
    from customerio.operations as o
    inner join customerio.outcomes as a on a.position = o.position
    cross join standing as s
),
tidied as (
    select distinct coalesce(person_id, event_id) as whose
    from answered
    where is_old and (action in ('update', 'event') or (action = 'identify' and outcome <> 'accepted'))
    union
    select person_id
    from customerio.verifications
    where verified_at < $before and finding = 'drift'
)
select
    position,
    coalesce(person_id, event_id) as whose,
    action,
    event_id,
    source_event_id,
    json_keys(after) as names,
    md5(after::varchar) as content,
    outcome,
    sent_at,
    lag(sent_at) over (partition by coalesce(person_id, event_id) order by sent_at, position) as earlier_at,
    is_old and action in ('identify', 'update', 'event') as may_go
from answered
where coalesce(person_id, event_id) in (select whose from tidied)

-- name: create_kept
-- Kept are the young, removals, and of each attribute the write that brought what stands today.
create or replace temp table kept as
select position
from past
where not may_go
union
select max(position)
from (
    select position, whose, unnest(names) as name
    from past
    where outcome = 'accepted' and action in ('identify', 'update')
)
group by whose, name

-- name: keep_causes
-- And what tells why these were sent: the first write after the same event, and what was refused before it was taken.
insert into kept
with wanted as (
    select *
    from past
    where event_id is null and position in (select position from kept)
)
select position
from (
    select min(p.position) as position
    from past as p
    inner join wanted as w on w.whose = p.whose and w.source_event_id = p.source_event_id
    where p.event_id is null and len(list_filter(p.names, lambda name: name not in ('id', 'email'))) > 0
    group by p.whose, p.source_event_id
    union
    select p.position
    from past as p
    inner join wanted as w
        on w.whose = p.whose
        and w.action = p.action
        and w.content is not distinct from p.content
        and p.position < w.position
    where p.outcome = 'rejected'
)
where position not in (select position from kept)

-- name: old_findings
-- A drift that made one of these be sent stays with it, and so does one after which nothing was sent yet.
delete from customerio.verifications
where verified_at < $before
    and (
        finding <> 'drift'
        or exists (select 1 from past as p where p.whose = verifications.person_id and p.sent_at >= verifications.verified_at)
    )
    and not exists (
        select 1
        from past as p
        where verifications.finding = 'drift'
            and p.whose = verifications.person_id
            and p.position in (select position from kept)
            and p.outcome = 'accepted'
            and list_contains(p.names, verifications.field)
            and verifications.verified_at <= p.sent_at
            and (p.earlier_at is null or verifications.verified_at > p.earlier_at)
    )

-- name: old_operations
delete from customerio.operations
where position in (select position from past where may_go and position not in (select position from kept))

-- name: old_answers
-- Those of which no operation is left. Positions count on from the last one.
delete from customerio.answers
where sent_at < $before
    and last_position < (select coalesce(max(first_position), 0) from customerio.plans)
    and last_position < (select max(last_position) from customerio.answers)
    and first_position not in (
        select a.first_position
        from customerio.answers as a
        inner join customerio.operations as o on o.position between a.first_position and a.last_position
    )

-- name: old_plans
delete from customerio.plans
where delivered_at < $before
    and first_position < (select max(first_position) from customerio.plans)

-- name: empty_old_events
-- They were sent, and the ledger knows it: nothing reads their data again.
update stripe.events
set payload = to_json({
    'id': id, 'object': 'event', 'type': type, 'created': created, 'api_version': api_version,
    'data': {'object': {'id': object_id, 'object': object_type, 'customer': customer_id}}
})
where created < $before
    and json_extract(payload, '$.livemode') is not null
    and (
        id in (select event_id from customerio.events)
        or (
            id in (select source_event_id from customerio.operations)
            and id not in (select event_id from model.events)
        )
    )
    and id not in (select event_id from pipeline.signals)

-- name: empty_old_data
update model.events
set data = '{}', guest_email = null
where created < $before
    and (data::varchar <> '{}' or guest_email is not null)
    and event_id in (select event_id from customerio.events)

-- name: old_events
-- Nobody forwards them, and Stripe gives none again after 30 days. Those that wait for their person stay, and those whose
-- objects are still to be brought up to date; those that explain a write stay without their data. Reading goes on from the
-- newest.
delete from stripe.events
where created < $before
    and id not in (select event_id from customerio.events)
    and id not in (select event_id from model.events)
    and id not in (select event_id from pipeline.signals)
    and id not in (select source_event_id from customerio.operations where source_event_id is not null)
    and created < (select max(created) from stripe.events)
