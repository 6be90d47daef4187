-- What people pay in a month, by currency: amounts of two currencies never meet. In units of the currency.

-- name: revenue
-- By plan, and by how much people pay: `bin` is the number of edges that the amount reaches, and $edges rise. A person counts
-- under the plan of the subscription that speaks for them. What they pay in other currencies than their main one is told
-- without its plan.
with amounts as (
    select
        lower(currency) as currency,
        coalesce(cast(plan as varchar), '') as plan,
        try_cast(mrr as decimal(38, 6)) as amount
    from model.people
    union all
    select
        lower(split_part(amount, ' ', 2)) as currency,
        '' as plan,
        try_cast(try_cast(split_part(amount, ' ', 1) as double) as decimal(38, 6)) as amount
    from (select unnest(try_cast(mrr_other_currencies as varchar[])) as amount from model.people)
)
select
    currency,
    plan,
    len(list_filter(cast($edges as decimal(38, 6)[]), lambda edge: edge <= amount)) as bin,
    count(*) as people,
    sum(amount) as mrr
from amounts
where amount > 0 and currency is not null
group by all

-- name: revenue_not_known
-- People with a subscription that counts whose amount Stripe does not tell.
select count(*) as people
from model.people
where mrr is null and cast(subscription_status as varchar) in ('active', 'past_due')
