-- What the last full comparison of each object type found, month by month.
select
    object,
    month,
    stripe_rows,
    before_rows,
    after_rows,
    missing + changed + vanished as repaired,
    if(stripe_hash = after_hash and stripe_rows = after_rows, 'equal', 'differs') as content
from pipeline.reconciliations
where not dry_run
qualify reconciled_at = max(reconciled_at) over (partition by object)
order by object, month
