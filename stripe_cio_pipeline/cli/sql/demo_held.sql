-- Whose change is held back, by the ledger or by the last plan, and why.
select person_id, reason
from customerio.people
where state in ('held', 'conflict')
union
select person_id, reason
from customerio.plan
where action = 'hold' and person_id is not null
