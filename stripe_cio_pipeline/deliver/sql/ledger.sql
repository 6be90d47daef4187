-- What answers move: requests, answers, the ledger of people and of events.

-- name: insert_requests
insert into customerio.requests (
    request_id, sent_at, endpoint, items, bytes, status, seconds, attempt, plan_id, run_id
)
select
    request_id,
    make_timestamp((sent_at * 1e6)::bigint),
    endpoint,
    items,
    bytes,
    status,
    seconds,
    attempt,
    $plan_id,
    $run_id
from made_calls

-- name: insert_answers
insert into customerio.answers (
    plan_id, first_position, last_position, sent_at, outcome, detail, request_id, run_id, is_unmeasured
)
select
    $plan_id,
    first_position,
    last_position,
    make_timestamp((sent_at * 1e6)::bigint),
    outcome,
    detail,
    request_id,
    $run_id,
    (
        select bool_or(approved_at is not null or coalesce((guard ->> '$.first_load')::boolean, false))
        from customerio.plans
        where plan_id = $plan_id
    )
from handed_answers

-- name: create_answered
-- What became of each answered position; `reason` is null where the item was accepted. What all items of a batch have in
-- common stands once a batch and is joined where it is asked for.
create temp table answered_items as select batch, unnest(positions) as position from handed_batches;

create temp table answered_batches as
select
    batch,
    request_id,
    make_timestamp((answered_at * 1e6)::bigint) as answered_at
from handed_batches;

create temp table refused_items as from handed_problems;

create temp view answered as
select
    items.position,
    batches.request_id,
    batches.answered_at,
    refused.reason,
    refused.field,
    refused.message
from answered_items as items
inner join answered_batches as batches on batches.batch = items.batch
left join refused_items as refused on refused.position = items.position;

-- name: answered_actions
-- Of the whole span: what else lies in it does no harm, and looking for it would cost more.
select distinct action from customerio.operations where position between $first and $last

-- name: insert_people
-- Of those who were accepted the rows that planning has written for that, in place of the ones that it looked at (removed by
-- delete_replaced_people). `cio_id` is nothing that acceptance brings: it is kept, whoever has filled it meanwhile. So is
-- the moment of the link, unless it begins now.
-- A row that has moved since the plan stays as it is, and the next plan looks at it again: what was seen meanwhile is not
-- overwritten by what was thought before. Only a removal holds whatever happened, because it cannot be undone.
insert into customerio.people (
    person_id, state, id, email, cio_id, attributes, linked_at, accepted_at, reason, run_id, seq, missed_at
)
with earlier as (
    select person_id, state, cio_id, linked_at, missed_at, seq
    from customerio.people
    where seq <= $mark
)
select
    next.person_id,
    next.state,
    next.id,
    next.email,
    earlier.cio_id,
    coalesce(next.attributes, plan.after),
    if(next.state = 'linking', answered.answered_at, earlier.linked_at),
    answered.answered_at,
    next.reason,
    $run_id,
    $seq,
    if(next.state = 'linking', null, earlier.missed_at)
from customerio.next_people as next
inner join answered on answered.position = next.position and answered.reason is null
inner join customerio.operations as plan on plan.position = next.position
left join earlier on earlier.person_id = next.person_id
where
    next.position between $first and $last
    and plan.position between $first and $last
    and (
        earlier.seq is not distinct from next.seen_seq
        or next.state = 'suppressed'
        or (next.state = 'deleted' and earlier.state is distinct from 'suppressed')
    )

-- name: insert_suppressed
-- The email of whom was suppressed, for whoever has it later: the ledger keeps it no longer.
insert into customerio.suppressed (email_hash, person_id, suppressed_at)
select customerio.keyed_hash(plan.before ->> '$.email'), plan.person_id, answered.answered_at
from customerio.operations as plan
inner join answered on answered.position = plan.position and answered.reason is null
where plan.position between $first and $last and plan.action = 'suppress' and (plan.before ->> '$.email') <> ''

-- name: delete_replaced_people
delete from customerio.people
where
    seq <= $mark
    and person_id in (select person_id from customerio.people where seq = $seq)

-- name: delete_older_events
delete from customerio.events
where
    event_id in (
        select plan.event_id
        from customerio.operations as plan
        inner join answered on answered.position = plan.position
        where plan.position between $first and $last and plan.action = 'event'
    )

-- name: insert_events
insert into customerio.events (
    event_id, ulid, person_id, name, created, state, accepted_at, reason, request_id, run_id
)
with sent as (
    select
        plan.event_id,
        plan.person_id,
        json_extract_string(plan.operation, ['$.id', '$.name', '$.timestamp']) as told,
        answered.reason,
        answered.answered_at,
        answered.request_id
    from customerio.planned as plan
    inner join answered on answered.position = plan.position
    where plan.position between $first and $last and plan.action = 'event'
)
select
    event_id,
    told[1],
    person_id,
    told[2],
    told[3]::bigint,
    if(reason is null, 'accepted', 'rejected'),
    if(reason is null, answered_at, null),
    reason,
    request_id,
    $run_id
from sent

-- name: drop_answered
drop view answered;
drop table answered_items;
drop table answered_batches;
drop table refused_items;
