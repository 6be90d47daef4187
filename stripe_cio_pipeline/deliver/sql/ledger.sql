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
    plan_id, first_position, last_position, sent_at, outcome, detail, request_id, run_id
)
select
    $plan_id,
    first_position,
    last_position,
    make_timestamp((sent_at * 1e6)::bigint),
    outcome,
    detail,
    request_id,
    $run_id
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

-- name: has_earlier
-- Whether the ledger has anybody from before these groups. On a first load it has not, and only the least `seq` of each row
-- group is read to see that.
select 1 from customerio.people where seq <= $mark limit 1

-- name: create_nobody_known
create temp table known as from customerio.people limit 0

-- name: create_known
-- The ledger's rows of those who were answered, from before the delivery: a plan names each person once.
create temp table known as
select *
from customerio.people
where
    seq <= $mark
    and person_id in (
        select plan.person_id
        from customerio.operations as plan
        inner join answered on answered.position = plan.position and answered.reason is null
        where plan.position between $first and $last and plan.action <> 'event'
    )

-- name: has_known
select 1 from known limit 1

-- name: insert_people
-- What Customer.io has accepted now, beside what it had accepted before (removed by delete_older_people).
-- The merge is skipped where there is nothing to merge with, because it costs more than everything else here. It is
-- JSON's merge patch, in which null removes, but in which an object would be merged where Customer.io replaces it: an
-- object's name is emptied first.
insert into customerio.people (
    person_id, state, id, email, cio_id, attributes, linked_at, accepted_at, reason, run_id, seq
)
with unlinked as (
    -- The one whose id becomes another's. Apart from the rest, which is spared reading every operation for it.
    select position
    from customerio.operations
    where
        position between $first and $last
        and action = 'merge'
        and (operation ->> '$.secondary.id') is not null
),
moved as (
    select
        plan.person_id,
        case plan.action
            when 'identify' then false
            when 'update' then false
            when 'merge' then plan.position in (from unlinked)
            else true
        end as is_removed,
        plan.action,
        plan.after,
        json_extract_string(plan.after, ['$.id', '$.email']) as named,
        -- A conflict is about an identifier, and lasts until one is set again.
        case plan.action
            when 'identify' then true
            else json_exists(plan.after, '$.id') or json_exists(plan.after, '$.email')
        end as sets_identifier,
        answered.answered_at
    from customerio.operations as plan
    inner join answered on answered.position = plan.position and answered.reason is null
    where plan.position between $first and $last and plan.action <> 'event'
)
select
    moved.person_id,
    case
        when moved.action = 'suppress' then 'suppressed'
        when moved.is_removed then 'deleted'
        when moved.action in ('identify', 'merge') then 'linking'
        when known.state is null or (known.state = 'conflict' and moved.sets_identifier) then 'linked'
        else known.state
    end,
    coalesce(moved.named[1], known.id),
    case
        when moved.is_removed then null
        when moved.named[2] is not null then moved.named[2]
        when moved.sets_identifier and json_exists(moved.after, '$.email') then null
        else known.email
    end,
    known.cio_id,
    case
        when moved.is_removed then '{}'
        when known.attributes is null and not contains(moved.after, ':null') then moved.after
        when not contains(substring(moved.after, 2), '{')
            then json_merge_patch(coalesce(known.attributes, '{}'), coalesce(moved.after, '{}'))
        else json_merge_patch(
            coalesce(known.attributes, '{}'),
            '{' || array_to_string(
                list_transform(json_keys(moved.after), lambda name: to_json(name)::varchar || ':null'), ','
            ) || '}',
            moved.after
        )
    end,
    if(moved.action in ('identify', 'merge') and not moved.is_removed, moved.answered_at, known.linked_at),
    moved.answered_at,
    if(moved.action = 'update' and not moved.sets_identifier, known.reason, null),
    $run_id,
    $seq
from moved
left join known on known.person_id = moved.person_id

-- name: delete_older_people
delete from customerio.people
where seq < $seq and person_id in (select person_id from known)

-- name: drop_known
drop table known

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
