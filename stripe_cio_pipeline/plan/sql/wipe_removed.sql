-- What is left of a person who was removed is an id and the proof. An email that was given up is still needed until it
-- has settled.
update customerio.writes
set before = null, after = null
from terms as t
where writes.sent_at + to_seconds(t.settle_seconds) <= t.now
    and (writes.before is not null or writes.after is not null)
    and writes.person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))
