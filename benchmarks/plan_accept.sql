-- What delivery writes down when all of a first load was accepted, packed as delivery packs it.
set force_compression = 'zstd';

insert into customerio.people (person_id, state, id, email, attributes, linked_at, accepted_at, seq)
select person_id, 'linked', person_id, after ->> '$.email', after, timestamp '2026-01-01', timestamp '2026-01-01', 0
from customerio.plan;

insert into customerio.answers (plan_id, first_position, last_position, sent_at, outcome, request_id, run_id)
select plan_id, min(position), max(position), timestamp '2026-01-01', 'accepted', 'benchmark', 'benchmark'
from customerio.operations
group by plan_id, position // 1300;

update customerio.plans set delivered_at = planned_at
