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
        list(customers.id) as customer_ids,
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
        end as preference
    from subscriptions
    left join merged on subscriptions.customer_id = merged.customer_id
    left join recurring on subscriptions.id = recurring.subscription_id
),

subscribers as (
    select
        person_id,
        min(start_date) filter (where preference not in (6, 9)) as subscriber_since,
        list_sort(list_distinct(flatten(list(plans) filter (where preference <= 5)))) as plans,
        arg_min(
            struct_pack(
                id := id,
                status := status,
                currency := currency,
                plan := plan,
                quantity := quantity,
                billing_interval := billing_interval,
                coupon := coupon,
                trial_end := trial_end,
                current_period_end := current_period_end,
                cancel_at_period_end := cancel_at_period_end,
                cancel_at := cancel_at,
                canceled_at := canceled_at,
                is_over := preference >= 8
            ),
            -- The youngest of the most preferred.
            ordered(preference * 10000000000 - coalesce(start_date, 0), id)
        ) as subscription
    from owned_subscriptions
    group by person_id
),

-- MRR as Stripe defines it: active and past due, no trials. This and what follows is in minor units, per person and
-- currency: an amount of one currency never meets one of another.
recurring_amounts as (
    select person_id, currency, sum(monthly_amount) as amount
    from owned_subscriptions
    where status in ('active', 'past_due') and monthly_amount > 0
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
        arg_max(
            struct_pack(paid_at := payments.paid_at, amount := payments.amount, card := payments.card),
            ordered(payments.paid_at, payments.id)
        ) as last
    from payments
    left join merged on payments.customer_id = merged.customer_id
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

-- The main currency: the owner's, else the main subscription's, else the last payment's.
owners as (
    select
        owner.*,
        members.email as usable_email,
        subscribers.* exclude (person_id),
        coalesce(owner.currency, subscribers.subscription.currency, latest.currency) as main_currency,
        minor_units(main_currency) as units
    from members
    inner join customers as owner on members.person_id = owner.id
    left join subscribers on members.person_id = subscribers.person_id
    left join (
        select person_id, arg_max(currency, (last.paid_at, currency)) as currency
        from paid
        where person_id in (select id from customers where currency is null)
        group by person_id
    ) as latest on members.person_id = latest.person_id
    where members.role = 'owner'
),

-- What the main currency leaves out, as text such as '12.5 eur'.
other_money as (
    select
        amounts.person_id,
        list(major(round(monthly_amount), amounts.currency) || ' ' || amounts.currency order by amounts.currency)
            filter (where monthly_amount > 0) as mrr,
        list(major(amount_kept, amounts.currency) || ' ' || amounts.currency order by amounts.currency)
            filter (where amount_kept > 0) as lifetime_value
    from (
        select person_id, currency, amount as monthly_amount, null as amount_kept from recurring_amounts
        union all
        select person_id, currency, null as monthly_amount, amount_kept from paid
    ) as amounts
    inner join owners on amounts.person_id = owners.id and amounts.currency <> owners.main_currency
    group by amounts.person_id
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
    case
        when profiles.person_id is null then [owners.id]
        else list_sort(list_append(profiles.customer_ids, owners.id))
    end as stripe_customer_ids,
    owners.country as country,
    owners."language" as "language",
    owners.main_currency as currency,
    coalesce(owners.delinquent and not owners.deleted, false) or coalesce(profiles.delinquent, false) as delinquent,
    coalesce(balances.balance / owners.units, 0) as balance,
    owners.subscription.plan as plan,
    nullif(owners.plans, []) as plans,
    owners.subscription.status as subscription_status,
    owners.subscription.id as subscription_id,
    owners.subscriber_since as subscriber_since,
    cast(owners.subscription.quantity as bigint) as quantity,
    owners.subscription.billing_interval as billing_interval,
    coalesce(round(recurring_amounts.amount) / owners.units, 0) as mrr,
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
    paid.last.paid_at as last_payment_at,
    paid.last.amount / owners.units as last_payment_amount,
    cast(coalesce(due.failed_payment_count, 0) as bigint) as failed_payment_count,
    due.next_payment_attempt as next_payment_attempt_at,
    coalesce(due.amount / owners.units, 0) as open_invoice_amount,
    due.url as open_invoice_url,
    coalesce(owners.card_brand, paid.last.card.brand) as card_brand,
    coalesce(owners.card_last4, paid.last.card.last4) as card_last4,
    month_end(
        coalesce(owners.card_exp_year, paid.last.card.exp_year), coalesce(owners.card_exp_month, paid.last.card.exp_month)
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
left join due on owners.id = due.person_id and owners.main_currency = due.currency
left join other_money on owners.id = other_money.person_id
