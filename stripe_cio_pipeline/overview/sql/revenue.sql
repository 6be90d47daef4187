-- What people pay in a month, by currency: amounts of two currencies never meet. In units of the currency.

-- name: revenue_by_plan
-- A person counts under the plan of the subscription that speaks for them. What they pay in other currencies than their main
-- one is told without its plan.
with amounts as (
    select
        person_id,
        lower(currency) as currency,
        coalesce(cast(plan as varchar), '') as plan,
        try_cast(mrr as decimal(38, 6)) as amount
    from model.people
    union all
    select
        person_id,
        lower(split_part(amount, ' ', 2)) as currency,
        '' as plan,
        try_cast(try_cast(split_part(amount, ' ', 1) as double) as decimal(38, 6)) as amount
    from (select person_id, unnest(try_cast(mrr_other_currencies as varchar[])) as amount from model.people)
)
select currency, plan, count(distinct person_id) as people, sum(amount) as mrr
from amounts
where amount > 0 and currency is not null
group by all
order by currency, mrr desc, plan

-- name: revenue_spread
-- How many people pay how much: `bin` is the number of edges that the amount reaches. $edges rise.
with amounts as (
    select person_id, lower(currency) as currency, try_cast(mrr as decimal(38, 6)) as amount
    from model.people
    union all
    select
        person_id,
        lower(split_part(amount, ' ', 2)) as currency,
        try_cast(try_cast(split_part(amount, ' ', 1) as double) as decimal(38, 6)) as amount
    from (select person_id, unnest(try_cast(mrr_other_currencies as varchar[])) as amount from model.people)
)
select
    currency,
    len(list_filter(cast($edges as decimal(38, 6)[]), lambda edge: edge <= amount)) as bin,
    count(*) as people
from amounts
where amount > 0 and currency is not null
group by all
order by all

-- name: revenue_not_known
-- People with a subscription that counts whose amount Stripe does not tell.
select count(*) as people
from model.people
where mrr is null and cast(subscription_status as varchar) in ('active', 'past_due')
