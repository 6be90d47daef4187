-- The ledger as of now: links that had time to settle are linked, and profiles belong to their present owners.
create or replace temp view ledger as
select
    coalesce(s.person_id, l.person_id) as person_id,
    s.former,
    case
        when l.state = 'linking' and l.linked_at + to_seconds(t.settle_seconds) <= t.now then 'linked'
        else l.state
    end as state,
    l.id,
    l.email,
    lower(trim(l.email)) as email_key,
    l.cio_id,
    l.attributes,
    l.reason,
    l.seq
from known as l
left join successions as s on s.former = l.person_id
cross join terms as t
