-- How many people are linked, are without a subscription yet, and are held back, at the end of each day from $first to $last.

-- name: linked_by_day
-- By the ledger: from the day that the present link was accepted to the day of a removal. Days by this machine's clock.
with days as (
    select cast(unnest(generate_series(cast($first as date), cast($last as date), interval 1 day)) as date) as day
),
stays as (
    select
        coalesce(linked_at, accepted_at) as since,
        if(state = 'linked', null, accepted_at) as until
    from customerio.people
    where state = 'linked' or (state in ('deleted', 'suppressed') and coalesce(linked_at, accepted_at) is not null)
),
-- A clock that runs ahead of ours (a sandbox's) puts nobody beyond the last day.
moves as (
    select least(cast(since as date), $last) as day, count(*) as change from stays group by all
    union all
    select least(cast(until as date), $last), -count(*) from stays where until is not null group by all
)
select days.day, cast(coalesce(sum(moves.change), 0) as bigint) as people
from days
left join moves on coalesce(moves.day, $first) <= days.day
group by days.day
order by days.day

-- name: unsubscribed_by_day
-- People in Stripe who have never had a subscription: from when they were created to their first subscription, or until they
-- were deleted. Days by Stripe's clock.
with days as (
    select cast(unnest(generate_series(cast($first as date), cast($last as date), interval 1 day)) as date) as day
),
people as (
    select
        try_cast(created_at as bigint) as created,
        least(try_cast(subscriber_since as bigint), try_cast(stripe_deleted_at as bigint)) as left_at
    from model.people
    where created is not null
),
moves as (
    select created as moment, 1 as change from people
    union all
    -- A subscription may be said to have begun before its customer was there.
    select greatest(left_at, created), -1 from people where left_at is not null
),
by_day as (
    select
        least(cast(make_timestamp(least(greatest(moment, 0), 253402300799) * 1000000) as date), $last) as day,
        sum(change) as change
    from moves
    group by all
)
select days.day, cast(coalesce(sum(by_day.change), 0) as bigint) as people
from days
left join by_day on coalesce(by_day.day, $first) <= days.day
group by days.day
order by days.day

-- name: held_by_day
-- Whom the last plan of a day held back. A day without a plan has that of the day before.
with days as (
    select cast(unnest(generate_series(cast($first as date), cast($last as date), interval 1 day)) as date) as day
),
held as (
    select
        least(cast(planned_at as date), $last) as day,
        arg_max(try_cast(counts ->> '$.hold' as bigint), planned_at) as people
    from customerio.plans
    group by all
)
select days.day, held.people
from days
asof left join held on days.day >= held.day
order by days.day

-- name: people_by_state
select state, count(*) as people
from customerio.people
group by state
order by state
