select
    coalesce(max(strlen(operation)), 0) as widest,
    coalesce(bool_or(action <> 'hold' and coalesce(strlen(operation) > $max_bytes, true)), false) as has_unsendable
from customerio.plan
where plan_id = $plan_id
