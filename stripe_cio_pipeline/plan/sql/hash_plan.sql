-- A sum over the rows' hashes: the same whatever order they are read in.
select md5(
    $delivered::varchar
    || ':' || count(*)
    || ':' || coalesce(sum(md5_number_lower(h)::hugeint), 0)
    || ':' || coalesce(bit_xor(md5_number_upper(h)), 0)
)
from (
    select coalesce(payload_hash, '') || ':' || action || ':' || coalesce(person_id, '') || ':' || reason as h
    from customerio.plan
)
