-- One row per person, one column per attribute: add a column and it is an attribute. docs/attributes.md tells what each of
-- these means, docs/models.md how to change them.
--
-- Everything counts that any of a person's customers has; who the person is comes from the owner. Times are unix seconds.
-- Money is in units of `currency`, the person's main one; amounts in other currencies are listed apart and never added to it.
with merged as (
    -- Customers that are one person with another one, its owner. Everybody else is a person alone.
    select customer_id, person_id
    from members
    where role <> 'owner'
),

-- What they add to their owners.
profiles as (
    select
        merged.person_id,
        min(customers.created) as created,
        list_sort(list_append(list(customers.id), merged.person_id)) as customer_ids,
        bool_or(customers.delinquent and not customers.deleted) as delinquent,
        bool_and(customers.deleted) as deleted,
        max(customers.deleted_at) as deleted_at
    from merged
    inner join customers on merged.customer_id = customers.id
    group by merged.person_id
),

owned_subscriptions as (
    select
        coalesce(merged.person_id, subscriptions.customer_id) as person_id,
        subscriptions.*,
        recurring.* exclude (subscription_id),
        -- The subscription that speaks for a person: one in use before one in trouble before one that is over.
        case subscriptions.status
            when 'active' then 1
            when 'past_due' then 2
            when 'trialing' then 3
            when 'unpaid' then 4
            when 'paused' then 5
            when 'incomplete' then 6
            when 'canceled' then 8
            when 'incomplete_expired' then 9
            else 7
        end as preference,
        ordered(preference * 10000000000 - coalesce(subscriptions.start_date, 0), subscriptions.id) as precedence,
        -- MRR as Stripe defines it: active and past due, no trials.
        case when subscriptions.status in ('active', 'past_due') then recurring.monthly_amount end as mrr
    from subscriptions
    left join merged on subscriptions.customer_id = merged.customer_id
    left join recurring on subscriptions.id = recurring.subscription_id
),

-- For people with more than one: what they add up to, and which is the youngest of the most preferred. Most have one, and
-- to group everybody takes three times as long.
several as (
    select
        person_id,
        min(start_date) filter (where preference not in (6, 9)) as subscriber_since,
        list_sort(list_distinct(flatten(list(plans) filter (where preference <= 5)))) as plans,
        arg_min(id, precedence) as main_id
    from owned_subscriptions
    where person_id in (select person_id from owned_subscriptions group by person_id having count(*) > 1)
    group by person_id
),

-- A person's subscriptions, told by the one that speaks for them all.
subscribers as (
    select
        main.person_id,
        coalesce(several.subscriber_since, case when main.preference not in (6, 9) then main.start_date end)
            as subscriber_since,
        coalesce(several.plans, case when main.preference <= 5 then main.plans end) as plans,
        struct_pack(
            id := main.id,
            status := main.status,
            currency := main.currency,
            plan := main.plan,
            quantity := main.quantity,
            billing_interval := main.billing_interval,
            coupon := main.coupon,
            trial_end := main.trial_end,
            current_period_end := main.current_period_end,
            cancel_at_period_end := main.cancel_at_period_end,
            cancel_at := main.cancel_at,
            canceled_at := main.canceled_at,
            mrr := main.mrr,
            is_over := main.preference >= 8
        ) as subscription
    from owned_subscriptions as main
    left join several on main.person_id = several.person_id
    where several.person_id is null or main.id = several.main_id
),

-- What several subscriptions bring in a month. This and what follows is in minor units, per person and currency: an amount
-- of one currency never meets one of another. The one of somebody who has one is in `subscribers`.
recurring_amounts as (
    select person_id, currency, cast(sum(exactly(mrr)) as double) as amount
    from owned_subscriptions
    where mrr > 0 and person_id in (select person_id from several)
    group by person_id, currency
),

payments as (
    -- Stripe takes a disputed payment back at once, and returns it when the dispute is won.
    select
        customer_id,
        currency,
        created as paid_at,
        id,
        amount_captured as amount,
        case
            when disputed and coalesce(dispute_status, '') not in ('won', 'warning_closed') then 0
            else amount_captured - amount_refunded
        end as amount_kept,
        struct_pack(brand := card_brand, last4 := card_last4, exp_year := card_exp_year, exp_month := card_exp_month) as card
    from charges
    where status = 'succeeded' and amount_captured > 0
    union all
    -- Paid outside Stripe: there is no charge.
    select
        customer_id,
        currency,
        coalesce(paid_at, created) as paid_at,
        id,
        amount_paid_off_stripe as amount,
        amount_paid_off_stripe as amount_kept,
        null as card
    from invoices
    where status = 'paid' and amount_paid_off_stripe > 0
),

paid as (
    select
        coalesce(merged.person_id, payments.customer_id) as person_id,
        payments.currency,
        sum(payments.amount_kept) as amount_kept,
        max(payments.paid_at) as last_paid_at,
        arg_max(payments.amount, ordered(payments.paid_at, payments.id)) as last_amount
    from payments
    left join merged on payments.customer_id = merged.customer_id
    group by all
),

-- The card of the last payment, for owners who have none of their own.
cards as (
    select
        coalesce(merged.person_id, payments.customer_id) as person_id,
        payments.currency,
        arg_max(struct_pack(card := payments.card), ordered(payments.paid_at, payments.id)).card as card
    from payments
    left join merged on payments.customer_id = merged.customer_id
    where coalesce(merged.person_id, payments.customer_id) in (
        select id
        from customers
        where card_brand is null or card_last4 is null or card_exp_year is null or card_exp_month is null
    )
    group by all
),

due as (
    select
        coalesce(merged.person_id, invoices.customer_id) as person_id,
        invoices.currency,
        sum(invoices.amount_remaining) as amount,
        sum(invoices.attempt_count) filter (where invoices.attempted) as failed_payment_count,
        min(invoices.next_payment_attempt) as next_payment_attempt,
        arg_min(invoices.hosted_invoice_url, ordered(invoices.created, invoices.id)) as url
    from invoices
    left join merged on invoices.customer_id = merged.customer_id
    where invoices.status = 'open' and invoices.amount_remaining > 0
    group by all
),

balances as (
    select coalesce(merged.person_id, customers.id) as person_id, customers.currency, sum(customers.balance) as balance
    from customers
    left join merged on customers.id = merged.customer_id
    where customers.balance <> 0 and not customers.deleted
    group by all
),

-- The main currency of owners who have none themselves: the main subscription's, else the last payment's.
currencies as (
    select person_id, coalesce(max(subscribed_in), max(paid_in)) as currency
    from (
        select person_id, arg_min(currency, precedence) as subscribed_in, null as paid_in
        from owned_subscriptions
        where person_id in (select id from customers where currency is null)
        group by person_id
        union all
        select person_id, null as subscribed_in, arg_max(currency, (last_paid_at, currency)) as paid_in
        from paid
        where person_id in (select id from customers where currency is null)
        group by person_id
    )
    group by person_id
),

-- Read twice, and faster so than kept in between.
accounts as not materialized (
    select customers.*, coalesce(customers.currency, currencies.currency) as main_currency
    from customers
    left join currencies on customers.id = currencies.person_id
),

-- What the main currency leaves out, as text such as '12.5 eur'.
other_money as (
    select
        person_id,
        list(major(round(mrr), currency) || ' ' || currency order by currency) filter (where mrr > 0) as mrr,
        list(major(amount_kept, currency) || ' ' || currency order by currency) filter (where amount_kept > 0)
            as lifetime_value
    from (
        select
            amounts.person_id,
            amounts.currency,
            cast(sum(exactly(amounts.mrr)) as double) as mrr,
            sum(amounts.amount_kept) as amount_kept
        from (
            select person_id, currency, mrr, null as amount_kept from owned_subscriptions where mrr > 0
            union all
            select person_id, currency, null as mrr, amount_kept from paid
        ) as amounts
        inner join accounts on amounts.person_id = accounts.id and amounts.currency <> accounts.main_currency
        group by amounts.person_id, amounts.currency
    )
    group by person_id
),

owners as (
    select
        accounts.*,
        members.email as usable_email,
        subscribers.* exclude (person_id),
        minor_units(accounts.main_currency) as units
    from members
    inner join accounts on members.person_id = accounts.id
    left join subscribers on members.person_id = subscribers.person_id
    where members.role = 'owner'
)

select
    owners.id as person_id,
    case identity.strategy
        when 'stripe_id' then owners.id
        when 'metadata' then nullif(trim(owners.metadata ->> identity.metadata_key), '')
    end as id,
    owners.usable_email as email,
    owners.name as name,
    owners.phone as phone,
    least(owners.created, profiles.created) as created_at,
    owners.id as stripe_customer_id,
    coalesce(profiles.customer_ids, [owners.id]) as stripe_customer_ids,
    owners.country as country,
    owners."language" as "language",
    owners.main_currency as currency,
    coalesce(owners.delinquent and not owners.deleted, false) or coalesce(profiles.delinquent, false) as delinquent,
    coalesce(balances.balance / owners.units, 0) as balance,
    owners.subscription.plan as plan,
    owners.plans as plans,
    owners.subscription.status as subscription_status,
    owners.subscription.id as subscription_id,
    owners.subscriber_since as subscriber_since,
    cast(owners.subscription.quantity as bigint) as quantity,
    owners.subscription.billing_interval as billing_interval,
    coalesce(
        round(
            coalesce(
                recurring_amounts.amount,
                case when owners.subscription.currency = owners.main_currency then owners.subscription.mrr end
            )
        ) / owners.units,
        0
    ) as mrr,
    other_money.mrr as mrr_other_currencies,
    owners.subscription.trial_end as trial_ends_at,
    case when not owners.subscription.is_over then owners.subscription.current_period_end end as current_period_ends_at,
    case when not owners.subscription.is_over then owners.subscription.cancel_at_period_end end as cancel_at_period_end,
    case
        when owners.subscription.is_over then null
        when owners.subscription.cancel_at_period_end
            then coalesce(owners.subscription.cancel_at, owners.subscription.current_period_end)
        else owners.subscription.cancel_at
    end as cancels_at,
    owners.subscription.canceled_at as canceled_at,
    owners.subscription.coupon as coupon,
    coalesce(paid.amount_kept / owners.units, 0) as lifetime_value,
    other_money.lifetime_value as lifetime_value_other_currencies,
    paid.last_paid_at as last_payment_at,
    paid.last_amount / owners.units as last_payment_amount,
    cast(coalesce(due.failed_payment_count, 0) as bigint) as failed_payment_count,
    due.next_payment_attempt as next_payment_attempt_at,
    coalesce(due.amount / owners.units, 0) as open_invoice_amount,
    due.url as open_invoice_url,
    coalesce(owners.card_brand, cards.card.brand) as card_brand,
    coalesce(owners.card_last4, cards.card.last4) as card_last4,
    month_end(
        coalesce(owners.card_exp_year, cards.card.exp_year), coalesce(owners.card_exp_month, cards.card.exp_month)
    ) as card_expires_at,
    owners.livemode as stripe_livemode,
    case
        when owners.deleted and coalesce(profiles.deleted, true) then greatest(owners.deleted_at, profiles.deleted_at)
    end as stripe_deleted_at
from owners
cross join identity
left join profiles on owners.id = profiles.person_id
left join balances on owners.id = balances.person_id and owners.main_currency = balances.currency
left join recurring_amounts
    on owners.id = recurring_amounts.person_id and owners.main_currency = recurring_amounts.currency
left join paid on owners.id = paid.person_id and owners.main_currency = paid.currency
left join cards on owners.id = cards.person_id and owners.main_currency = cards.currency
left join due on owners.id = due.person_id and owners.main_currency = due.currency
left join other_money on owners.id = other_money.person_id
