-- Whose id it is, where two people claim one: who has it in Customer.io, else the older customer id.
create or replace temp table id_holders as
with claims as (
    select p.id, p.person_id, false as held
    from model.people as p
    where p.id in (select id from wanted where id is not null)
    union all
    select l.id, coalesce(s.person_id, l.person_id), true as held
    from customerio.people as l
    left join successions as s on s.former = l.person_id
    where l.id in (select id from wanted where id is not null)
        and l.state in ('linking', 'linked')
)
select id, first(person_id order by not held, person_id) as person_id
from claims
group by id
