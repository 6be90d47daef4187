-- What delivery writes down when all of a first load was accepted, packed as delivery packs it.
set force_compression = 'zstd';

insert into customerio.people (person_id, state, id, email, attributes, linked_at, accepted_at, seq)
select person_id, 'linked', person_id, after ->> '$.email', after, timestamp '2026-01-01', timestamp '2026-01-01', 0
from customerio.plan;

delete from customerio.plan;

update customerio.plans set delivered_at = planned_at
