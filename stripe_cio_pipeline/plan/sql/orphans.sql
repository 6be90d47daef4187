-- Ledger rows whose customer is no person of its own (any more), and who the person is that it belongs to now.
create or replace temp table orphans as
with memberships as (
    select customer_id, person_id
    from model.members
    where customer_id in (select person_id from lost)
),
accounts as (
    select id, deleted
    from model.customers
    where id in (select person_id from lost)
)
select l.*, m.person_id as joined, coalesce(a.deleted, false) as deleted
from lost as l
left join memberships as m on m.customer_id = l.person_id and m.person_id <> l.person_id
left join accounts as a on a.id = l.person_id
