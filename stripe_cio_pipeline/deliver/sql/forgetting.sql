-- Suppressing a person and emptying what is kept of them.

-- name: people_of_ledger
select person_id
from customerio.people
where list_contains($customers::varchar[], person_id)
order by person_id

-- name: emails_of_people
-- Compared as members.sql compares them.
select distinct lower(trim(email))
from (
    select email from customerio.people where list_contains($people::varchar[], person_id)
    union all
    select email_key from model.members where list_contains($people::varchar[], person_id)
)
where email <> ''

-- name: is_guest
-- Whether somebody who is no customer has paid with this email.
select exists (select 1 from customerio.guests where email_key = $email)
    or exists (select 1 from model.events where guest_email = $email)
    or exists (
        select 1 from stripe.charges where customer_id is null and mentions(lower(payload::varchar), [$email::varchar])
    )
    or exists (
        select 1 from stripe.events where customer_id is null and mentions(lower(payload::varchar), [$email::varchar])
    )

-- name: name_guest
select 'guest_' || left(customerio.keyed_hash($email), 24)

-- name: addresses_in_ledger
-- As Customer.io knows them. While a link is not seen, the id may still be on its way to the lead with that email: what is
-- suppressed by id alone would leave the lead there. An email that somebody else has there is nobody's to remove.
select
    if(id is not null, 'id', if(cio_id is not null, 'cio_id', 'email')) as kind,
    coalesce(id, cio_id, nullif(email, '')) as name
from customerio.people
where list_contains($people::varchar[], person_id) and coalesce(id, cio_id, nullif(email, '')) is not null
union all
select 'email', email
from customerio.people
where
    list_contains($people::varchar[], person_id)
    and state = 'linking'
    and id is not null
    and email <> ''
    and lower(trim(email)) not in (
        select lower(trim(email))
        from customerio.people
        where not list_contains($people::varchar[], person_id) and email is not null
    )
order by kind desc, name

-- name: is_modelled
select count(*) > 0 from duckdb_tables() where schema_name = 'model' and table_name = 'people'

-- name: address_in_plan
-- As the plan would name them where Customer.io has accepted nothing: the answer to a call may have been lost. An email that
-- somebody else has there is nobody's to remove.
select kind, name
from (
    select
        if(is_by_email, 'email', 'id') as kind,
        if(is_by_email, email, if($strategy::varchar <> 'email', id, null)) as name
    from (
        select
            id,
            email,
            $strategy::varchar <> 'metadata'
            and email is not null
            and lower(email) not in (select lower(trim(email)) from customerio.people where email is not null) as is_by_email
        from model.people
        where person_id = $person_id and person_id not in (select person_id from customerio.people)
    )
)
where name is not null

-- name: next_position
select coalesce(max(position), 0) + 1
from customerio.operations

-- name: insert_forgetting
insert into customerio.operations (plan_id, position, action, person_id, reason)
values ($plan_id, $position, 'suppress', $person_id, 'forgotten')

-- name: insert_forgetting_answer
insert into customerio.answers (
    plan_id, first_position, last_position, sent_at, outcome, request_id, run_id
)
values ($plan_id, $position, $position, make_timestamp(($sent_at::double * 1e6)::bigint), 'accepted', $request_id, $run_id)

-- name: forget_person
update customerio.people
set
    state = 'suppressed', reason = 'forgotten', email = null, attributes = '{}', seq = $seq, run_id = $run_id
where person_id = $person_id

-- name: remember_suppressed
insert into customerio.suppressed (email_hash, person_id, suppressed_at)
select distinct customerio.keyed_hash(email), $person_id, make_timestamp(($sent_at::double * 1e6)::bigint)
from (select unnest($emails::varchar[]) as email)

-- name: forget_refused_values
delete from customerio.refused_values
where person_id = $person_id

-- name: forget_plan
delete from customerio.operations
where position in (select position from customerio.due(0) where person_id = $person_id)

-- name: forget_next_people
delete from customerio.next_people
where person_id = $person_id

-- name: forget_writes
update customerio.operations
set explanation = null, heading = null, operation = null, before = null, after = null
where
    person_id = $person_id
    and coalesce(heading, operation, before::varchar, after::varchar) is not null
