-- What drifted does not count as accepted any more, so that exactly that is planned again.
update customerio.people
set
    attributes = json_merge_patch(people.attributes, lost.names),
    email = if(lost.has_email, null, people.email),
    seq = $seq,
    run_id = $run_id
from (
    select
        person_id,
        '{' || string_agg(to_json(field)::varchar || ':null', ',') || '}' as names,
        bool_or(field = 'email') as has_email
    from findings
    where finding = 'drift' and field <> 'id'
    group by person_id
) as lost
where people.person_id = lost.person_id
