-- The model's people with what we keep beside their attributes. The hash covers all that a plan goes by: with the same hash,
-- nothing about a person has to be looked at again.
select
    people.*,
    $seq::bigint as _seq,
    newest_events.newest.source_event_id as _source_event_id,
    null::varchar as _rejected,
    hash(
        $names,
        newest_events.newest.source_event_id,
        people.person_id in (select id from customers where deleted)
    ) as _hash
from (
    select $attributes
    from (
people_of_the_model) as people
) as people
left join newest_events on people.person_id = newest_events.person_id
