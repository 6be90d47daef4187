-- What Customer.io refused: kept with its reason, cleared by what it takes later, made due again by `retry`.

-- name: has_rejections
select 1 from customerio.rejections limit 1

-- name: create_touched_rejections
-- What was answered now and has, or had, a rejection: only few ever do. `scope` says what the operation is about.
create temp table touched as
with answers as (
    select
        plan.position,
        plan.action,
        plan.person_id,
        plan.event_id,
        plan.payload_hash,
        case
            when plan.action = 'event' then 'event'
            when plan.action in ('delete', 'suppress', 'merge') then 'removal'
            when len(list_filter(json_keys(plan.after), lambda name: name not in ('id', 'email'))) = 0 then 'identifier'
            else 'attributes'
        end as scope,
        answered.reason,
        answered.field,
        answered.message,
        answered.answered_at
    from customerio.planned as plan
    inner join answered on answered.position = plan.position
    where
        plan.position between $first and $last
        and (
            answered.reason is not null
            or plan.person_id in (select person_id from customerio.rejections)
            or plan.event_id in (select event_id from customerio.rejections)
        )
)
select
    answers.*,
    earlier.first_at,
    -- `retry` clears the hash and keeps the count.
    if(coalesce(earlier.payload_hash, answers.payload_hash) = answers.payload_hash, earlier.attempts, null) as attempts
from answers
left join customerio.rejections as earlier
    on
        earlier.person_id is not distinct from answers.person_id
        and earlier.event_id is not distinct from answers.event_id
        and earlier.scope = answers.scope

-- name: delete_touched_rejections
delete from customerio.rejections
where
    exists (
        from touched
        where
            touched.person_id is not distinct from rejections.person_id
            and touched.event_id is not distinct from rejections.event_id
            and touched.scope is not distinct from rejections.scope
    )

-- name: insert_rejections
insert into customerio.rejections (
    action, person_id, event_id, scope, reason, field, message, payload_hash, first_at, last_at, attempts, run_id
)
select
    action,
    person_id,
    event_id,
    scope,
    reason,
    field,
    message,
    payload_hash,
    if(attempts is null, answered_at, first_at),
    answered_at,
    coalesce(attempts, 0) + 1,
    $run_id
from touched
where reason is not null

-- name: drop_touched_rejections
drop table touched

-- name: create_released
create temp table retried as
select person_id, event_id, scope
from customerio.rejections
where
    payload_hash is not null
    and last_at + to_seconds($hours::double * 3600 * pow(2, least(attempts - 1, 10))) <= $now::timestamp

-- name: create_retried
create temp table retried as
select rejections.person_id, rejections.event_id, rejections.scope
from customerio.rejections as rejections
left join customerio.people as people on people.person_id = rejections.person_id
where
    rejections.payload_hash is not null
    and (
        $everybody
        or list_contains($names::varchar[], lower(rejections.person_id))
        or list_contains($names::varchar[], lower(rejections.event_id))
        or list_contains($names::varchar[], lower(people.id))
        or list_contains($names::varchar[], lower(trim(people.email)))
    )

-- name: count_retried
select count(*) from retried

-- name: count_retried_conflicts
select count(*)
from customerio.people
where
    state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )

-- name: delete_retried_events
delete from customerio.events
where state = 'rejected' and event_id in (select event_id from retried)

-- name: link_refused_anew
-- Where the internal id is known, it was no link that was refused but another id for somebody who is there.
update customerio.people
set
    state = 'linking', reason = 'anew', email = null, attributes = '{}', missed_at = null, seq = $seq
where
    reason = 'id_refused'
    and state = 'conflict'
    and cio_id is null
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )

-- name: reopen_conflicts
update customerio.people
set
    state = 'linked',
    reason = null,
    -- Customer.io keeps one that we do not know.
    id = if(reason = 'id_refused', null, id),
    email = if(reason = 'id_refused', email, ''),
    attributes = json_merge_patch(attributes, if(reason = 'id_refused', '{"id": null}', '{"email": null}')),
    seq = $seq
where
    state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )

-- name: create_left_out
-- Of whom an email or a phone was left out because it was refused: it is tried once more.
create temp table left_out as
select distinct person_id
from customerio.refused_values
where
    $everybody
    or person_id in (
        select person_id
        from customerio.people
        where
            list_contains($names::varchar[], lower(person_id))
            or list_contains($names::varchar[], lower(id))
            or list_contains($names::varchar[], lower(trim(email)))
    )

-- name: delete_refused_values
delete from customerio.refused_values
where person_id in (select person_id from left_out)

-- name: create_sought
-- Who is to be linked anew: new links that nobody sees, and whoever was found missing, if they are named.
create temp table sought as
select person_id
from customerio.people
where
    (
        (state = 'linking' and missed_at is not null)
        or (state = 'deleted' and reason = 'missing_in_customerio' and not $everybody)
    )
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )

-- name: count_again
select count(*)
from (
    select person_id from left_out
    union
    select person_id from sought
) as people

-- name: insert_due_again
insert into customerio.due (person_id, due_at, reason)
select person_id, $now::timestamp, 'retry'
from (
    select person_id from left_out
    union
    select person_id from sought
) as people

-- name: drop_again
drop table left_out;
drop table sought

-- name: link_anew
-- The row stays: what was accepted may still be applied, so that nobody else's profile passes to them meanwhile.
update customerio.people
set
    state = 'linking', reason = 'anew', email = null, cio_id = null, attributes = '{}', missed_at = null, seq = $seq
where person_id in (select person_id from sought)

-- name: insert_due_rejections
insert into customerio.due (person_id, due_at, reason)
select distinct person_id, $now::timestamp, 'retry'
from retried
where person_id is not null

-- name: insert_due_conflicts
insert into customerio.due (person_id, due_at, reason)
select person_id, $now::timestamp, 'retry'
from customerio.people
where
    state = 'conflict'
    and (
        $everybody
        or list_contains($names::varchar[], lower(person_id))
        or list_contains($names::varchar[], lower(id))
        or list_contains($names::varchar[], lower(trim(email)))
    )

-- name: clear_retried_hashes
-- Planning skips what has a rejection of the same hash.
update customerio.rejections
set payload_hash = null
where
    exists (
        from retried
        where
            retried.person_id is not distinct from rejections.person_id
            and retried.event_id is not distinct from rejections.event_id
            and retried.scope is not distinct from rejections.scope
    )

-- name: drop_retried
drop table retried
