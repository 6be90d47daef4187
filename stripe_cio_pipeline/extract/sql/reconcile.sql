-- A comparison with all that Stripe lists, and its proof. `{table}` is the object type.

-- name: clear_listed
delete from pipeline.listed
where object = ?;

-- name: delete_listed
delete from pipeline.listed
where object = ? and id in (select id from arrivals);

-- name: note_gone
-- What Stripe says is gone: it is found once, though the run that found it is killed before it concludes.
insert into pipeline.listed (object, id, content_hash, finding)
select ?, id, '', 'gone'
from arrivals;

-- name: findings_of
select id, finding
from pipeline.listed
where object = ? and id in (select id from arrivals) and finding in ('missing', 'changed');

-- name: insert_listed
insert into pipeline.listed (object, id, created, content_hash, finding, read_at)
select object, id, created, content_hash, finding, read_at
from arrivals;

-- name: listed_findings
select id, finding
from pipeline.listed
where object = ? and finding is not null;

-- name: tampered_rows
-- Rows whose payload is not what their hash was made of: somebody wrote past the pipeline.
select id
from stripe.{table}
where content_hash is distinct from left(sha256(cast(payload as varchar)), 32);

-- name: rehash_rows
-- The hash tells again what is stored, so that the comparison with Stripe finds the difference.
update stripe.{table}
set content_hash = left(sha256(cast(payload as varchar)), 32)
where content_hash is distinct from left(sha256(cast(payload as varchar)), 32);

-- name: note_unlisted
-- What was read because something names it, and what is archived where lists leave that out: no list shows it.
insert into pipeline.listed (object, id, created, content_hash, finding)
select '{table}', id, created, content_hash, null
from stripe.{table}
where
    not deleted
    and coalesce(created, 0) < $began
    and id not in (select id from pipeline.listed where object = '{table}')
    and not list_contains($tampered, id)
    and (
        ($active_alone and json_extract_string(payload, '$.active') = 'false')
        or id in (select id from pipeline.named where object = '{table}')
    );

-- name: vanished_rows
select id
from stripe.{table}
where
    not deleted
    and coalesce(created, 0) < $began
    and id not in (select id from pipeline.listed where object = '{table}')
order by id;

-- name: overtaken_rows
-- What was stored after Stripe was asked for its page: another process follows the events meanwhile.
select listed.id
from pipeline.listed as listed
inner join stripe.{table} as stored on stored.id = listed.id
where
    listed.object = '{table}'
    and listed.finding is distinct from 'gone'
    and stored.read_at > listed.read_at
    and (stored.deleted or stored.content_hash is distinct from listed.content_hash)
order by listed.id;

-- name: proof_listed
select
    coalesce(strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m'), 'unknown') as month,
    count(*),
    cast(sum(cast(md5_number_lower(id || ':' || content_hash) as hugeint)) as varchar)
from pipeline.listed
where object = $object and finding is distinct from 'gone' and coalesce(created, 0) < $began
group by month
order by month;

-- name: proof_stored
-- The hash is made anew from the payload: a stored hash would prove nothing about it.
select
    coalesce(strftime(to_timestamp(created) at time zone 'UTC', '%Y-%m'), 'unknown') as month,
    count(*),
    cast(sum(cast(md5_number_lower(id || ':' || left(sha256(cast(payload as varchar)), 32)) as hugeint)) as varchar)
from stripe.{table}
where not deleted and coalesce(created, 0) < $began
group by month
order by month;

-- name: insert_reconciliation
insert into pipeline.reconciliations (
    run_id, reconciled_at, object, month, stripe_rows, stripe_hash, before_rows, before_hash,
    after_rows, after_hash, missing, changed, vanished, explained, dry_run
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: latest_proof
with latest as (
    select object, max(reconciled_at) as reconciled_at
    from pipeline.reconciliations
    where not dry_run
    group by object
)
select
    object, month, stripe_rows, stripe_hash, before_rows, before_hash, after_rows, after_hash, reconciled_at, run_id
from pipeline.reconciliations
inner join latest using (object, reconciled_at)
where not dry_run
order by object, month;
