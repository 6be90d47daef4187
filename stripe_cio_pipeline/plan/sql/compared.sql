-- Whom Customer.io knows otherwise than the model wants them. Attributes are compared as a hash, so that the ledger's wide
-- column is never joined, and kept only of those who differ.
create or replace temp table compared as
with accepted as (
    select person_id, state, former, id, email_key, hash(attributes::varchar) as attributes_hash
    from ledger
),
paired as (
    select
        d.person_id,
        d.attributes,
        a.state in ('linking', 'linked', 'conflict') and a.attributes_hash <> hash(d.attributes) as differs,
        a.state <> 'linked'
        or a.former is not null
        or d.is_oversize
        or d.email_key is distinct from a.email_key
        or (t.strategy <> 'email' and d.id is distinct from a.id) as is_moving
    from people_attributes as d
    join accepted as a on a.person_id = d.person_id
    cross join terms as t
)
select person_id, differs, case when differs then attributes end as attributes
from paired
where differs or is_moving
