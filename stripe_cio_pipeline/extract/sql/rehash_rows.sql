-- {table}: see store.py. The hash tells again what is stored, so that the comparison with Stripe finds the difference.
update stripe.{table}
set content_hash = left(sha256(cast(payload as varchar)), 32)
where content_hash is distinct from left(sha256(cast(payload as varchar)), 32);
