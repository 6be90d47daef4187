create temp table retried as
select person_id, event_id, scope
from customerio.rejections
where
    payload_hash is not null
    and last_at + to_seconds($hours::double * 3600 * pow(2, least(attempts - 1, 10))) <= $now::timestamp
