-- Reading people back, and what was found.

-- name: choose_people
-- Those whose last change has had time to be applied; whoever had an update skipped comes first, whatever the sample.
select person_id, state, id, email, cio_id, attributes
from (
    select
        *,
        row_number() over (
            order by coalesce(list_contains($ids::varchar[], id), false) desc, hash(person_id || $run_id)
        ) as place
    from customerio.people
    where
        state in ('linking', 'linked')
        and accepted_at <= $before::timestamp
        and coalesce(id, email, cio_id) is not null
) as candidates
where $most::bigint is null or place <= $most::bigint
order by case when id is not null then 1 when email is not null then 2 else 3 end, person_id

-- name: settle_seen
-- Only who moves gets a new seq: the next plan looks at everybody who has one.
update customerio.people
set
    state = 'linked',
    cio_id = seen.cio_id,
    seq = if(people.state = 'linking', $seq, people.seq),
    run_id = $run_id
from seen_people as seen
where
    people.person_id = seen.person_id
    and people.state in ('linking', 'linked')
    and (people.state = 'linking' or people.cio_id is distinct from seen.cio_id)

-- name: create_conflicts
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

-- name: read_conflicts
select person_id, reason from conflicts order by person_id

-- name: mark_conflicts
-- Of a refused identify nothing was applied, so that nothing of it counts as accepted.
update customerio.people
set
    state = 'conflict',
    reason = conflicts.reason,
    attributes = if(conflicts.was_identify, '{}', people.attributes),
    cio_id = coalesce(conflicts.cio_id, people.cio_id),
    seq = $seq,
    run_id = $run_id
from conflicts
where people.person_id = conflicts.person_id

-- name: mark_missing
-- Removed in Customer.io by somebody: not created again.
update customerio.people
set
    state = 'deleted',
    reason = 'missing_in_customerio',
    email = null,
    attributes = '{}',
    seq = $seq,
    run_id = $run_id
where person_id in (select person_id from findings where finding = 'missing')

-- name: forget_unlinked
delete from customerio.people
where person_id in (select person_id from findings where finding = 'not_linked')

-- name: forget_drift
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

-- name: insert_due_findings
insert into customerio.due (person_id, due_at, reason)
select distinct person_id, $now::timestamp, finding
from findings
where finding in ('drift', 'not_linked')

-- name: insert_verifications
insert into customerio.verifications (run_id, verified_at, person_id, finding, field, detail)
select $run_id, $now::timestamp, person_id, finding, field, detail
from kept_findings

-- name: drop_conflicts
drop table conflicts
