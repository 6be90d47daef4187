-- Refusals that concern what we have written last: the value is the one of the person's newest accepted write of that
-- identifier, and the line in the log is not older than it. Clocks may differ by some seconds.
create temp table conflicts as
with identifier_writes as (
    select
        writes.person_id,
        writes.action,
        writes.sent_at,
        kinds.kind,
        json_extract_string(writes.after, '$.' || kinds.kind) as value,
        row_number() over (partition by writes.person_id, kinds.kind order by writes.sent_at desc) as age
    from customerio.writes as writes
    cross join (values ('id'), ('email')) as kinds (kind)
    where
        writes.outcome = 'accepted'
        and writes.action in ('identify', 'update')
        and json_exists(writes.after, '$.' || kinds.kind)
        and writes.person_id in (
            select people.person_id
            from customerio.people as people
            inner join refused_identifiers as refused
                on
                    people.id = refused.value
                    or people.id = refused.customer_id
                    or people.cio_id = refused.cio_id
                    or lower(trim(people.email)) = lower(trim(refused.value))
        )
)
select
    people.person_id,
    first(refused.reason order by refused.kind = 'id' desc, refused.at desc) as reason,
    bool_or(written.action = 'identify') as was_identify,
    -- Where the id was refused, the log's person is somebody else.
    first(refused.cio_id order by refused.at desc) filter (where refused.kind = 'email') as cio_id
from refused_identifiers as refused
inner join identifier_writes as written
    on
        written.age = 1
        and written.kind = refused.kind
        and lower(trim(written.value)) = lower(trim(refused.value))
        and epoch(written.sent_at) <= refused.at + 5
inner join customerio.people as people on people.person_id = written.person_id
where people.state in ('linking', 'linked')
group by people.person_id
