-- The people whom others have joined, as the ledger has them.
create or replace temp table joined_people as
select l.person_id, l.state, l.id
from ledger as l
where l.person_id in (select joined from orphans where joined is not null)
