-- Everybody of deliver_plan.sql is linked by now, and a plan in which one attribute of each changes.
insert into customerio.people (person_id, state, id, email, attributes, linked_at, accepted_at, seq)
select
    person_id, 'linked', person_id, after ->> '$.email', after, timestamp '2026-01-01', timestamp '2026-01-01', 0
from customerio.operations;

delete from customerio.operations;

insert into customerio.operations (plan_id, position, action, person_id, reason, heading, before, after)
select
    'benchmark',
    row_number() over (order by person_id),
    'update',
    person_id,
    'attributes_changed',
    '{{"type":"person","identifiers":{{"id":"' || person_id || '"}},"action":"identify","attributes":{{"_update":true,',
    '{{"mrr":' || (attributes -> '$.mrr') || '}}',
    '{{"mrr":7.5}}'
from customerio.people;

delete from customerio.next_people;

insert into customerio.next_people (position, person_id, seen_seq, state, id, email, attributes)
select o.position, o.person_id, p.seq, 'linked', p.id, p.email, json_merge_patch(p.attributes, o.after)
from customerio.operations as o
join customerio.people as p on p.person_id = o.person_id
order by o.position
