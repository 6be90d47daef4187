-- What is left of a person who was removed is an id and the proof. An email that was given up is still needed until it
-- has settled. Every planned row has an explanation, and what was emptied has none: it tells without reading the rest.
update customerio.operations
set explanation = null, heading = null, operation = null, before = null, after = null
where position in (
    select o.position
    from (
        select position
        from customerio.operations
        where explanation is not null
            and person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))
    ) as o
    inner join customerio.outcomes as a on a.position = o.position
    cross join terms as t
    where a.sent_at + to_seconds(t.settle_seconds) <= t.now
)
