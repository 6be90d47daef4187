-- What the worker behind the webhooks asks for, beside events.

-- name: people_in_between
-- Whose link was accepted a short while ago: what waits for it goes out once they are seen, or the link has settled.
select count(*)
from customerio.people
where state = 'linking'
    and reason is distinct from 'unseen'
    and linked_at > (now() at time zone 'UTC') - to_seconds(cast($seconds as bigint))
