-- Attribute by attribute, what differs between the model and what Customer.io has accepted. Identifiers are decided apart.
create or replace temp table changes as
with compared as (
    select
        p.person_id,
        list_zip(
            $names::varchar[],
            json_extract(l.attributes, $paths::varchar[]),
            json_extract(p.attributes, $paths::varchar[])
        ) as pairs
    from people_attributes as p
    semi join candidates as k on k.person_id = p.person_id
    join ledger as l on l.person_id = p.person_id
    where l.state in ('linking', 'linked', 'conflict')
        and l.attributes is distinct from p.attributes
),
different as (
    select person_id, list_filter(pairs, lambda pair: pair[2] is distinct from pair[3]) as pairs
    from compared
)
select
    person_id,
    list_transform(pairs, lambda pair: pair[1]) as names,
    '{' || list_aggregate(
        list_transform(pairs, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[2], 'null')), 'string_agg', ','
    ) || '}' as before,
    '{' || list_aggregate(
        list_transform(pairs, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[3], 'null')), 'string_agg', ','
    ) || '}' as after
from different
where len(pairs) > 0
