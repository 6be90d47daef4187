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
    from compared as p
    join ledger as l on l.person_id = p.person_id
    where p.differs
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
