insert into pipeline.reconciliations (
    run_id, reconciled_at, object, month, stripe_rows, stripe_hash, before_rows, before_hash,
    after_rows, after_hash, missing, changed, vanished, explained, dry_run
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
