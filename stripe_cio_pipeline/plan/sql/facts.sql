-- All that a decision about one person rests on, a row per candidate.
create or replace temp table facts as
with known as (
    select
        c.person_id,
        w.person_id is not null as modelled,
        w.id,
        w.email,
        w.email_key,
        w.source_event_id,
        w.is_oversize,
        coalesce(w.deleted, o.deleted, false) as deleted,
        l.state,
        l.reason as conflict,
        l.former,
        l.id as known_id,
        l.email as known_email,
        l.email_key as known_email_key,
        l.cio_id,
        l.email is null and l.id is not distinct from w.id and l.id is not null as is_first_email,
        o.joined,
        h.person_id as email_holder,
        r.email_key is not null as email_settling,
        i.person_id as id_holder,
        len(x.names) > 0 as differs
    from candidates as c
    left join wanted as w on w.person_id = c.person_id
    left join ledger as l on l.person_id = c.person_id
    left join orphans as o on o.person_id = c.person_id
    left join holders as h on h.email_key = w.email_key and h.person_id <> c.person_id
    left join released as r on r.email_key = w.email_key
    left join id_holders as i on i.id = w.id and i.person_id <> c.person_id
    left join changes as x on x.person_id = c.person_id
)
select
    k.*,
    -- An identifier is changed by cio_id where that is known: it is the only way that every workspace allows. A first
    -- email is given by id, because then a workspace with automatic merging takes in the lead who has it.
    case
        when k.cio_id is not null and not k.is_first_email then 'cio_id'
        when k.known_id is not null then 'id'
        when k.known_email is not null then 'email'
        else 'cio_id'
    end as change_kind,
    case
        when k.cio_id is not null and not k.is_first_email then k.cio_id
        else coalesce(k.known_id, k.known_email, k.cio_id)
    end as change_value,
    case when k.known_id is not null then 'id' when k.known_email is not null then 'email' else 'cio_id' end as kind,
    coalesce(k.known_id, k.known_email, k.cio_id) as value
from known as k
