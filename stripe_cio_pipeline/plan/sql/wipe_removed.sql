-- What is left of a person who was removed is an id and the proof. An email that was given up is still needed until it
-- has settled.
update customerio.operations
set heading = null, operation = null, before = null, after = null
from customerio.outcomes as a
cross join terms as t
where a.position = operations.position
    and a.sent_at + to_seconds(t.settle_seconds) <= t.now
    and coalesce(operations.heading, operations.operation, operations.before::varchar, operations.after::varchar) is not null
    and operations.person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))
