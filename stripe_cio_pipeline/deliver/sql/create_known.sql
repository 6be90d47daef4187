-- The ledger's rows of those who were answered, from before the delivery: a plan names each person once.
create temp table known as
select *
from customerio.people
where
    seq <= $mark
    and person_id in (
        select plan.person_id
        from customerio.operations as plan
        inner join answered on answered.position = plan.position and answered.reason is null
        where plan.position between $first and $last and plan.action <> 'event'
    )
