-- How many people were linked long enough ago that what waited for their link can go out.
select count(*)
from customerio.people
where state = 'linking'
    and linked_at + to_seconds(cast($settle_seconds as bigint)) <= (now() at time zone 'UTC')
