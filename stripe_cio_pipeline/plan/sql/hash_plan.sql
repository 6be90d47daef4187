-- A sum over the rows' hashes: the same whatever order they are read in.
select md5(concat_ws(':', $delivered::varchar, count(*), sum(h::hugeint), bit_xor(h)))
from (
    select hash(action, person_id, event_id, reason, payload_hash) as h
    from customerio.plan
)
