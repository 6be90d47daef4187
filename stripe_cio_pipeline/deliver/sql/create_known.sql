-- The ledger's rows of those who were answered. On a first load there are none, and only ids are read to see that.
create temp table known as
select *
from customerio.people
where
    person_id in (
        select plan.person_id
        from customerio.plan as plan
        inner join answered on answered.position = plan.position and answered.reason is null
        where plan.plan_id = $plan_id and plan.position between $first and $last and plan.action <> 'event'
    )
