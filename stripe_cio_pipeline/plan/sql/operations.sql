-- The plan's operations, as they will be sent.

-- name: settings_for_plan
-- Holds until the file is closed. Operations are much alike: zstd writes them in a third of the default's time.
set force_compression = 'zstd'

-- name: operation_macros
-- How operations are written (v2 Track API): one identifier, and attributes that never create somebody who was removed.
create or replace temp macro addressed(kind, value) as '{' || to_json(kind) || ':' || to_json(value) || '}';

-- An operation up to its attributes: these stand in `after` and are not written a second time.
create or replace temp macro identify_heading(kind, value) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":"identify","attributes":{';

create or replace temp macro update_heading(kind, value) as identify_heading(kind, value) || '"_update":true,';

-- As the view customerio.planned puts it together.
create or replace temp macro operation_text(operation, heading, after) as
    coalesce(operation, heading || substring(after, 2) || '}');

create or replace temp macro update_operation(kind, value, attributes) as
    operation_text(null, update_heading(kind, value), attributes);

create or replace temp macro action_operation(kind, value, verb) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":' || to_json(verb) || '}';

create or replace temp macro merge_operation(kind, value, other_kind, other_value) as
    '{"type":"person","action":"merge","primary":' || addressed(kind, value)
    || ',"secondary":' || addressed(other_kind, other_value) || '}';

create or replace temp macro one_attribute(name, value) as
    '{' || to_json(name) || ':' || coalesce(to_json(value)::varchar, 'null') || '}'

-- name: count_settled
-- Grows with every plan that was delivered and every answer, so that no later plan has the name of one that was answered.
-- What was taken away since is counted on.
select
    (select count(*) from customerio.plans where delivered_at is not null)
    + (select count(*) from customerio.answers)
    + coalesce((select value::bigint from pipeline.cursors where name = 'tidy.settled'), 0)

-- name: hash_plan
-- What the plan holds, told by what its operations are made of: a sum over the rows, the same in whatever order they are
-- read. It is known before the rows are written, because naming a million rows afterwards would write them twice. What was
-- turned down before is part of it, because that is left out of the plan.
with contents as (
    select hash(d.action, d.person_id, d.reason, p.content) as content
    from decisions as d
    join people_attributes as p on p.person_id = d.person_id
    where d.sets = 'all'
    union all
    select hash(d.action, d.person_id, d.reason, d.kind, d.value, x.after)
    from decisions as d
    join changes as x on x.person_id = d.person_id
    where d.sets = 'changes'
    union all
    select hash(
        d.action, d.person_id, d.reason, d.kind, d.value, d.change_kind, d.change_value, d.id, d.email, d.known_id, d.joined_id
    )
    from decisions as d
    where d.action in ('identify', 'update', 'delete', 'suppress', 'merge', 'hold')
        and (d.sets is null or d.sets not in ('all', 'changes'))
    union all
    select hash(event_id, operation)
    from planned_events
    where is_due
    union all
    select hash(person_id, event_id, payload_hash)
    from customerio.rejections
    where payload_hash is not null
)
select md5(concat_ws(':', $settled::varchar, count(*), sum(content::hugeint), bit_xor(content)))
from contents

-- name: insert_people
insert into customerio.operations
    (plan_id, position, action, person_id, reason, explanation, heading, operation, before, after, source_event_id)
select
    $plan_id,
    $start + p.position,
    p.action,
    p.person_id,
    p.reason,
    if(contains(w.sentence, '{other}'), replace(w.sentence, '{other}', coalesce(p.other, 'another person')), w.sentence),
    p.heading,
    p.operation,
    p.before,
    p.after,
    p.source_event_id
from planned_people as p
left join wordings as w on w.reason = p.reason
anti join customerio.rejections as r
    on r.person_id = p.person_id and r.payload_hash = md5(operation_text(p.operation, p.heading, p.after))

-- name: insert_events
insert into customerio.operations
    (plan_id, position, action, person_id, event_id, reason, explanation, operation, source_event_id)
select
    $plan_id,
    $start
    + (select coalesce(max(rowid) - min(rowid) + 1, 0) from decisions)
    + row_number() over (order by e.created, e.event_id),
    'event',
    e.person_id,
    e.event_id,
    'event_forwarded',
    w.sentence,
    e.operation,
    e.event_id
from planned_events as e
left join wordings as w on w.reason = 'event_forwarded'
anti join customerio.rejections as r on r.event_id = e.event_id and r.payload_hash = md5(e.operation)
where e.is_due

-- name: previewed_operations
create or replace temp table previewed_operations as
from customerio.operations
limit 0

-- name: preview_rows
select action, person_id, event_id, reason, explanation, before, after, source_event_id
from previewed_operations
order by action = 'event', position
limit $rows
