-- Those whose last change has had time to be applied; whoever had an update skipped comes first, whatever the sample.
select person_id, state, id, email, cio_id, attributes
from (
    select
        *,
        row_number() over (
            order by coalesce(list_contains($ids::varchar[], id), false) desc, hash(person_id || $run_id)
        ) as place
    from customerio.people
    where
        state in ('linking', 'linked')
        and accepted_at <= $before::timestamp
        and coalesce(id, email, cio_id) is not null
) as candidates
where $most::bigint is null or place <= $most::bigint
order by case when id is not null then 1 when email is not null then 2 else 3 end, person_id
