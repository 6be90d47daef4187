-- Ledger rows whose customer is no person of its own (any more).
create or replace temp table lost as
select l.person_id, l.state, l.linked_at
from customerio.people as l
anti join model.people as p on p.person_id = l.person_id
where l.state in ('linking', 'linked', 'conflict')
