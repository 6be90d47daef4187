-- Reading people back, and what was found.

-- name: choose_people
-- Those whose last change has had time to be applied; whoever had an update skipped comes first, whatever the sample. Who
-- was missing is looked for again: an operator may have brought them back.
select
    person_id,
    state,
    id,
    email,
    cio_id,
    missed_at,
    attributes,
    person_id in (select person_id from customerio.verifications where finding = 'not_linked') as was_linked_anew
from (
    select
        *,
        row_number() over (
            order by coalesce(list_contains($ids::varchar[], id), false) desc, hash(person_id || $run_id)
        ) as place
    from customerio.people
    where
        (state in ('linking', 'linked') or (state = 'deleted' and reason = 'missing_in_customerio'))
        and accepted_at <= $before::timestamp
        and coalesce(id, email, cio_id) is not null
) as candidates
where $most::bigint is null or place <= $most::bigint
order by person_id

-- name: choose_links
-- New links, and whom something waits for and nobody has seen. Who is held because nobody sees them is left to
-- verification.
with waiting as (
    select person_id, bool_or(reason = 'missing_in_customerio') as is_missing
    from customerio.due
    group by person_id
)
select people.person_id, people.state, people.id, people.email, people.cio_id, people.missed_at, null as attributes, null
from customerio.people as people
left join waiting on waiting.person_id = people.person_id
where
    coalesce(people.id, people.email, people.cio_id) is not null
    and (
        (
            people.state = 'linking'
            and people.linked_at <= $settled::timestamp
            and people.reason is distinct from 'unseen'
            and (people.reason is distinct from 'anew' or people.missed_at is null)
        )
        or (
            waiting.person_id is not null
            and people.cio_id is null
            and (people.state = 'linked' or (people.state = 'conflict' and people.reason <> 'id_refused'))
        )
        or (waiting.is_missing and people.state = 'deleted' and people.reason = 'missing_in_customerio')
    )
order by waiting.person_id is null, people.person_id
limit $most

-- name: settle_seen
-- Only who moves gets a new seq: the next plan looks at everybody who has one. Who was missing and is there has whatever
-- was kept there, so that everything is sent again.
update customerio.people
set
    state = if(people.state = 'conflict', 'conflict', 'linked'),
    reason = if(people.state = 'conflict', people.reason, null),
    email = if(people.state = 'deleted' or people.reason = 'anew', seen.email, people.email),
    cio_id = seen.cio_id,
    missed_at = null,
    seq = if(people.state in ('linking', 'deleted'), $seq, people.seq),
    run_id = $run_id
from seen_people as seen
where
    people.person_id = seen.person_id
    and (
        people.state in ('linking', 'linked', 'conflict')
        or (people.state = 'deleted' and people.reason = 'missing_in_customerio')
    )
    and (
        people.state in ('linking', 'deleted')
        or people.cio_id is distinct from seen.cio_id
        or people.missed_at is not null
    )

-- name: note_missed
-- A new link that is missed for so long is held from now on, and every run would ask for it again.
update customerio.people
set
    missed_at = coalesce(missed_at, $now::timestamp),
    reason = if(state = 'linking' and missed_at <= $since::timestamp, 'unseen', reason),
    run_id = $run_id
where
    list_contains($people::varchar[], person_id)
    and (
        (missed_at is null and state in ('linking', 'linked'))
        or (state = 'linking' and reason is null and missed_at <= $since::timestamp)
    )

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
    cross join (values ('id'), ('email'), ('phone')) as kinds (kind)
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
                    or (refused.kind = 'phone' and (people.attributes ->> '$.phone') = refused.value)
        )
)
select
    people.person_id,
    first(
        case
            -- Our id was to be given to whoever the line names. If that is not who has our email, the phone found them.
            when
                refused.kind = 'id'
                and (people.attributes ->> '$.phone') is not null
                and lower(trim(refused.email)) is distinct from lower(trim(people.email))
                then 'phone_refused'
            else refused.reason
        end
        order by refused.kind = 'id' desc, refused.at desc
    ) as reason,
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
where
    people.state in ('linking', 'linked')
    -- An id is refused to whoever sent it, and the line names who it was to be given to. An email is refused to the person
    -- whom the line names: another system may have sent it for somebody else. A link may be refused before there is a person,
    -- or to the lead who has the email and no id yet.
    and (
        refused.kind = 'id'
        or refused.cio_id = people.cio_id
        or refused.customer_id = people.id
        or (
            people.state = 'linking'
            and refused.customer_id is null
            and (refused.cio_id is null or lower(trim(refused.email)) = lower(trim(people.email)))
        )
    )
    -- A line is read several times; what it says was left out since.
    and (refused.kind <> 'phone' or (people.attributes ->> '$.phone') = refused.value)
    and (refused.reason <> 'email_refused' or lower(trim(people.email)) = lower(trim(refused.value)))
group by people.person_id

-- name: read_conflicts
select person_id, reason from conflicts order by person_id

-- name: insert_conflict_findings
insert into customerio.verifications (run_id, verified_at, person_id, finding)
select $run_id, $now::timestamp, person_id, reason
from conflicts

-- name: keep_refused_values
-- The value is left out until it changes, and whatever it travelled with is sent again without it.
insert into customerio.refused_values (person_id, name, value_hash, refused_at)
select
    people.person_id,
    split_part(conflicts.reason, '_', 1),
    customerio.keyed_hash(
        if(conflicts.reason = 'email_refused', people.email, people.attributes ->> '$.phone')
    ),
    $now::timestamp
from conflicts
inner join customerio.people as people on people.person_id = conflicts.person_id
where conflicts.reason in ('email_refused', 'phone_refused')

-- name: send_without_refused
insert into customerio.due (person_id, due_at, reason)
select person_id, $now::timestamp, reason
from conflicts
where reason in ('email_refused', 'phone_refused')

-- name: link_without_refused
update customerio.people
set
    state = 'linking', reason = 'anew', email = null, attributes = '{}', missed_at = null, seq = $seq, run_id = $run_id
where
    state = 'linking'
    and cio_id is null
    and person_id in (select person_id from conflicts where reason in ('email_refused', 'phone_refused'))

-- name: forget_refused_changes
update customerio.people
set state = 'linked', attributes = '{}', seq = $seq, run_id = $run_id
where
    person_id in (select person_id from conflicts where reason in ('email_refused', 'phone_refused'))
    and reason is distinct from 'anew'

-- name: mark_conflicts
-- Of a refused identify nothing was applied, so that nothing of it counts as accepted.
update customerio.people
set
    state = 'conflict',
    reason = conflicts.reason,
    attributes = if(conflicts.was_identify, '{}', people.attributes),
    cio_id = coalesce(people.cio_id, conflicts.cio_id),
    missed_at = null,
    seq = $seq,
    run_id = $run_id
from conflicts
where people.person_id = conflicts.person_id and conflicts.reason not in ('email_refused', 'phone_refused')

-- name: count_linked
select count(*) from customerio.people where state = 'linked'

-- name: mark_missing
-- Removed in Customer.io by somebody: not created again. The identifiers stay, so that they can be seen again.
update customerio.people
set
    state = 'deleted',
    reason = 'missing_in_customerio',
    email = null,
    attributes = '{}',
    seq = $seq,
    run_id = $run_id
where person_id in (select person_id from findings where finding = 'missing')

-- name: link_unlinked_anew
update customerio.people
set
    state = 'linking',
    reason = 'anew',
    email = null,
    cio_id = null,
    attributes = '{}',
    missed_at = null,
    seq = $seq,
    run_id = $run_id
where person_id in (select person_id from findings where finding = 'not_linked')

-- name: mark_other_id
update customerio.people
set state = 'conflict', reason = 'id_refused', attributes = '{}', seq = $seq, run_id = $run_id
where person_id in (select person_id from findings where finding = 'other_id')

-- name: mark_unseen_emails
-- Whose email was accepted twice and is again the one that it was before: to send it a third time would change nothing.
update customerio.people
set state = 'conflict', reason = 'email_unseen', seq = $seq, run_id = $run_id
where person_id in (
    with emails as (
        select
            person_id,
            lower(before ->> '$.email') as former,
            lower(after ->> '$.email') as email,
            row_number() over (partition by person_id order by sent_at desc) as age
        from customerio.writes
        where
            outcome = 'accepted'
            and action = 'update'
            and json_exists(after, '$.email')
            and person_id in (select person_id from findings where finding = 'drift' and field = 'email')
    )
    select emails.person_id
    from emails
    inner join seen_people as seen on seen.person_id = emails.person_id
    inner join customerio.people as known on known.person_id = emails.person_id
    where
        emails.age <= 2
        and emails.former = lower(seen.email)
        and emails.email = lower(trim(known.email))
    group by emails.person_id
    having count(*) = 2
)

-- name: leave_out_unseen_phones
-- Whose phone was accepted twice, and who has none: what it travels with is ignored too, so that it is left out from now on.
insert into customerio.refused_values (person_id, name, value_hash, refused_at)
with phones as (
    select
        person_id,
        after ->> '$.phone' as phone,
        row_number() over (partition by person_id order by sent_at desc) as age
    from customerio.writes
    where
        outcome = 'accepted'
        and action in ('identify', 'update')
        and json_exists(after, '$.phone')
        and person_id in (select person_id from findings where finding = 'drift' and field = 'phone' and detail = 'absent')
)
select people.person_id, 'phone', customerio.keyed_hash(people.attributes ->> '$.phone'), $now::timestamp
from phones
inner join customerio.people as people on people.person_id = phones.person_id
where phones.age <= 2 and phones.phone = (people.attributes ->> '$.phone')
group by people.person_id, people.attributes
having count(*) = 2

-- name: forget_drift
-- What drifted does not count as accepted any more, so that exactly that is planned again. An email that somebody else has
-- changed is known from now on: it is changed from that one.
update customerio.people
set
    attributes = json_merge_patch(people.attributes, lost.names),
    email = if(lost.has_email, lost.email, people.email),
    seq = $seq,
    run_id = $run_id
from (
    select
        findings.person_id,
        '{' || string_agg(
            to_json(findings.field)::varchar || ':'
            || if(findings.field = 'email', coalesce(to_json(seen.email)::varchar, 'null'), 'null'),
            ','
        ) || '}' as names,
        bool_or(findings.field = 'email') as has_email,
        any_value(seen.email) as email
    from findings
    inner join seen_people as seen on seen.person_id = findings.person_id
    where
        findings.finding = 'drift'
        and findings.field <> 'id'
        and not (
            findings.field = 'email'
            and findings.person_id in (select person_id from customerio.people where reason = 'email_unseen')
        )
    group by findings.person_id
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
