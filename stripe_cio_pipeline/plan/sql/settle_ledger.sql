-- Where nothing is sent: settled links are linked, and profiles pass to their present owners.
update customerio.people
set state = 'linked'
from terms as t
where people.state = 'linking' and people.linked_at + to_seconds(t.settle_seconds) <= t.now;

update customerio.people
set person_id = s.person_id
from successions as s
where people.person_id = s.former
