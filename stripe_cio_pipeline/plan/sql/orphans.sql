-- Ledger rows whose customer is no person of its own (any more), and who the person is that it belongs to now.
create or replace temp table orphans as
select
    l.person_id,
    l.state,
    l.linked_at,
    m.person_id as joined,
    coalesce(c.deleted, false) as deleted
from customerio.people as l
anti join model.people as p on p.person_id = l.person_id
left join model.members as m on m.customer_id = l.person_id and m.person_id <> l.person_id
left join model.customers as c on c.id = l.person_id
where l.state in ('linking', 'linked', 'conflict')
    or (l.state = 'deleted' and l.reason = 'forgotten' and l.accepted_at is null)
