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
