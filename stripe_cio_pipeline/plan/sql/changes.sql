-- What Customer.io has accepted is compared as a hash first, so that the ledger's wide column is never joined.
create or replace temp table differing as
select p.person_id, p.attributes
from people_attributes as p
join ledger as l
    on l.person_id = p.person_id
    and hash(l.attributes::varchar) <> hash(p.attributes)
where l.state in ('linking', 'linked', 'conflict');

-- Attribute by attribute, what differs between the model and what Customer.io has accepted. Identifiers are decided apart:
-- a row without names is one where only these, or the order of the attributes, differ.
create or replace temp table changes as
with compared as (
    select
        p.person_id,
        list_zip(
            $names::varchar[],
            json_extract(l.attributes, $paths::varchar[]),
            json_extract(p.attributes, $paths::varchar[])
        ) as pairs
    from differing as p
    join ledger as l on l.person_id = p.person_id
),
different as (
    select person_id, list_filter(pairs, lambda pair: pair[2] is distinct from pair[3]) as pairs
    from compared
)
select
    person_id,
    list_transform(pairs, lambda pair: pair[1]) as names,
    '{' || array_to_string(
        list_transform(pairs, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[2], 'null')), ','
    ) || '}' as before,
    '{' || array_to_string(
        list_transform(pairs, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[3], 'null')), ','
    ) || '}' as after
from different
