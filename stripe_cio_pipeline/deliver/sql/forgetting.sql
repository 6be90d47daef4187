-- Suppressing a person and emptying what is kept of them.

-- name: address_of_person
select
    if(id is not null, 'id', if(cio_id is not null, 'cio_id', 'email')),
    coalesce(id, cio_id, email)
from customerio.people
where person_id = $person_id and coalesce(id, cio_id, email) is not null

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
-- The person's emails, as the ledger and Stripe have them.
insert into customerio.suppressed (email_hash, person_id, suppressed_at)
select distinct customerio.keyed_hash(email), $person_id, make_timestamp(($sent_at::double * 1e6)::bigint)
from (
    select email from customerio.people where person_id = $person_id
    union all
    select email_key from model.members where person_id = $person_id
) as emails
where email <> ''

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
