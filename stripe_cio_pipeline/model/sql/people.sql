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
        -- The subscription that speaks for a person: one that is paid for before one that is free, one in use before one in
        -- trouble before one that is over.
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
        -- MRR as Stripe defines it: active and past due, no trials. Null where it is not known.
        case
            when subscriptions.status in ('active', 'past_due') then recurring.monthly_amount
            when subscriptions.status is not null then 0
        end as mrr
    from subscriptions
    left join merged on subscriptions.customer_id = merged.customer_id
    left join recurring on subscriptions.id = recurring.subscription_id
),

-- For people with more than one: what they add up to, and which speaks. Of those that are paid for the one that brings most,
-- then the youngest. Most people have one, and to group everybody takes three times as long.
several as (
    select
        person_id,
        min(start_date) filter (where preference not in (6, 9)) as subscriber_since,
        list_sort(list_distinct(flatten(list(plans) filter (where preference <= 5)))) as plans,
        arg_min(
            id,
            struct_pack(
                is_free := coalesce(mrr, 0) = 0,
                preference := preference,
                mrr := -coalesce(major(mrr, currency), 0),
                start := -coalesce(start_date, 0),
                id := id
            )
        ) as main_id
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
            collection_paused := main.pause_collection is not null,
            collection_resumes_at := main.collection_resumes_at,
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
    select
        person_id,
        currency,
        case when count(mrr) = count(*) then cast(sum(exactly(mrr)) as double) end as amount
    from owned_subscriptions
    where (mrr > 0 or mrr is null) and person_id in (select person_id from several)
    group by person_id, currency
),

-- Stripe takes a disputed payment back at once, and returns it when the dispute is won; an inquiry (`warning_...`) takes
-- nothing.
contested as (
    select
        disputes.charge_id,
        sum(
            case
                when disputes.status in ('won', 'prevented') or starts_with(disputes.status, 'warning_') then 0
                when disputes.currency = charges.currency then disputes.amount
                else charges.amount_captured
            end
        ) as amount
    from disputes
    inner join charges on disputes.charge_id = charges.id
    group by disputes.charge_id
),

-- Payments outside Stripe that are told one by one.
recorded as (
    select
        invoices.customer_id,
        invoices.id as invoice_id,
        invoice_payments.currency,
        coalesce(invoice_payments.paid_at, invoice_payments.created) as paid_at,
        invoice_payments.id,
        invoice_payments.amount
    from invoice_payments
    inner join invoices on invoice_payments.invoice_id = invoices.id
    where invoice_payments.type = 'payment_record' and invoice_payments.status = 'paid'
),

payments as (
    select
        charges.customer_id,
        charges.currency,
        charges.created as paid_at,
        charges.id,
        charges.amount_captured as amount,
        case
            when contested.charge_id is not null
                then greatest(charges.amount_captured - charges.amount_refunded - contested.amount, 0)
            when charges.dispute_status in ('won', 'prevented') or starts_with(charges.dispute_status, 'warning_')
                then charges.amount_captured - charges.amount_refunded
            when charges.disputed then case when 'disputes' not in (select object from not_granted) then 0 end
            else charges.amount_captured - charges.amount_refunded
        end as amount_kept,
        charges.card
    from charges
    left join contested on charges.id = contested.charge_id
    where charges.status = 'succeeded' and (charges.amount_captured > 0 or charges.amount_captured is null)
    union all
    -- Paid outside Stripe, in full or in part: there is no charge.
    select customer_id, currency, paid_at, id, amount, amount as amount_kept, null as card
    from recorded
    union all
    select
        invoices.customer_id,
        invoices.currency,
        coalesce(invoices.paid_at, invoices.created) as paid_at,
        invoices.id,
        invoices.amount_paid_off_stripe - coalesce(known.amount, 0) as amount,
        invoices.amount_paid_off_stripe - coalesce(known.amount, 0) as amount_kept,
        null as card
    from invoices
    left join (select invoice_id, sum(amount) as amount from recorded group by invoice_id) as known
        on invoices.id = known.invoice_id
    where invoices.amount_paid_off_stripe > coalesce(known.amount, 0)
    union all
    -- Given back outside Stripe, as credit notes say. Refunds stand with their charge, and credit for later is no money.
    select
        customer_id, currency, null as paid_at, id, null as amount, -amount_outside as amount_kept, null as card
    from credit_notes
    where amount_outside > 0 and status is distinct from 'void'
    union all
    -- Of an invoice whose credit notes are not there, all was given back as it was paid.
    select
        customer_id,
        currency,
        null as paid_at,
        id,
        null as amount,
        case
            when 'credit_notes' not in (select object from not_granted)
                then -least(amount_credited, amount_paid_off_stripe)
        end as amount_kept,
        null as card
    from invoices
    where amount_credited > 0
        and (amount_paid_off_stripe > 0 or 'credit_notes' in (select object from not_granted))
        and id not in (select invoice_id from credit_notes where invoice_id is not null)
),

-- Whose charges do not all say how they ended: none of the sums of what they paid is known.
unclear as (
    select coalesce(merged.person_id, charges.customer_id) as person_id
    from charges
    left join merged on charges.customer_id = merged.customer_id
    where charges.status is null and (charges.amount_captured > 0 or charges.amount_captured is null)
),

paid as (
    select
        coalesce(merged.person_id, payments.customer_id) as person_id,
        payments.currency,
        case when count(payments.amount_kept) = count(*) then sum(payments.amount_kept) end as amount_kept,
        max(payments.paid_at) as last_paid_at,
        arg_max(payments.amount, ordered(payments.paid_at, payments.id)) as last_amount
    from payments
    left join merged on payments.customer_id = merged.customer_id
    group by all
),

-- The card of the last payment, for owners who name nothing to be charged.
cards as (
    select
        coalesce(merged.person_id, payments.customer_id) as person_id,
        payments.currency,
        arg_max(struct_pack(card := payments.card), ordered(payments.paid_at, payments.id)).card as card
    from payments
    left join merged on payments.customer_id = merged.customer_id
    where coalesce(merged.person_id, payments.customer_id) in (select id from customers where default_method is null)
    group by all
),

-- Debits that are under way: an invoice stays open meanwhile, with an attempt that has not failed.
pending as (
    select
        customer_id,
        currency,
        amount,
        row_number() over (partition by customer_id, currency, amount order by created, id) as place
    from charges
    where status = 'pending'
),

open_invoices as (
    select
        coalesce(merged.person_id, invoices.customer_id) as person_id,
        invoices.*,
        row_number() over (
            partition by invoices.customer_id, invoices.currency, invoices.amount_remaining
            order by invoices.created, invoices.id
        ) as place
    from invoices
    left join merged on invoices.customer_id = merged.customer_id
    where (invoices.status = 'open' or invoices.status is null)
        and (invoices.amount_remaining > 0 or invoices.amount_remaining is null)
),

-- What failed, and where it can be paid, in whatever currency.
due as (
    select
        open_invoices.person_id,
        sum(greatest(open_invoices.attempt_count - if(pending.place is null, 0, 1), 0))
            filter (where open_invoices.attempted) as failed_payment_count,
        -- Whether an invoice does not say what it is, so that none of the sums is known.
        bool_or(open_invoices.status is null or open_invoices.currency is null) as is_unclear,
        min(open_invoices.next_payment_attempt) as next_payment_attempt,
        arg_min(
            struct_pack(url := open_invoices.hosted_invoice_url, currency := open_invoices.currency),
            ordered(open_invoices.created, open_invoices.id)
        ) as oldest
    from open_invoices
    left join pending
        on open_invoices.customer_id = pending.customer_id
        and open_invoices.currency = pending.currency
        and open_invoices.amount_remaining = pending.amount
        and open_invoices.place = pending.place
    group by open_invoices.person_id
),

amounts_due as (
    select person_id, currency, case when count(amount_remaining) = count(*) then sum(amount_remaining) end as amount
    from open_invoices
    group by person_id, currency
),

balances as (
    select coalesce(merged.person_id, customers.id) as person_id, customers.currency, sum(customers.balance) as balance
    from customers
    left join merged on customers.id = merged.customer_id
    where customers.balance <> 0 and not customers.deleted
    group by all
),

-- The main currency of owners who have none themselves: the main subscription's, else that of the last payment, else that of
-- the oldest open invoice.
currencies as (
    select person_id, coalesce(max(subscribed_in), max(paid_in), max(due_in)) as currency
    from (
        select
            main.person_id, main.currency as subscribed_in, null as paid_in, null as due_in
        from owned_subscriptions as main
        left join several on main.person_id = several.person_id
        where main.person_id in (select id from customers where currency is null)
            and (several.person_id is null or main.id = several.main_id)
        union all
        select person_id, null as subscribed_in, arg_max(currency, (last_paid_at, currency)) as paid_in, null as due_in
        from paid
        where person_id in (select id from customers where currency is null)
        group by person_id
        union all
        select person_id, null as subscribed_in, null as paid_in, oldest.currency as due_in
        from due
        where person_id in (select id from customers where currency is null)
    )
    group by person_id
),

-- Read twice, and faster so than kept in between.
accounts as not materialized (
    select customers.*, coalesce(customers.currency, currencies.currency) as main_currency
    from customers
    left join currencies on customers.id = currencies.person_id
),

-- What the main currency leaves out, as text such as '12.5 eur'. What is not known of one is left out.
other_money as (
    select
        person_id,
        list(major(round(mrr), currency) || ' ' || currency order by currency) filter (where mrr > 0) as mrr,
        list(major(amount_kept, currency) || ' ' || currency order by currency) filter (where amount_kept > 0)
            as lifetime_value,
        list(major(amount_due, currency) || ' ' || currency order by currency) filter (where amount_due > 0)
            as amounts_due
    from (
        select
            amounts.person_id,
            amounts.currency,
            cast(sum(exactly(amounts.mrr)) as double) as mrr,
            sum(amounts.amount_kept) as amount_kept,
            sum(amounts.amount_due) as amount_due
        from (
            select person_id, currency, mrr, null as amount_kept, null as amount_due
            from owned_subscriptions
            where mrr > 0
            union all
            select person_id, currency, null as mrr, amount_kept, null as amount_due
            from paid
            union all
            select person_id, currency, null as mrr, null as amount_kept, amount as amount_due
            from amounts_due
        ) as amounts
        inner join accounts on amounts.person_id = accounts.id and amounts.currency <> accounts.main_currency
        group by amounts.person_id, amounts.currency
    )
    group by person_id
),

-- What the subscription that speaks says of the card that will be charged: its own default, or that of its customer where that
-- is not the owner.
charged as (
    select
        main.person_id,
        case when main.default_method is not null then main.card else payers.card end as card
    from owned_subscriptions as main
    left join several on main.person_id = several.person_id
    left join (
        select customers.*
        from merged
        inner join customers on merged.customer_id = customers.id
    ) as payers on main.customer_id = payers.id
    where main.preference < 8
        and coalesce(main.default_method, payers.default_method) is not null
        and (several.person_id is null or main.id = several.main_id)
),

owners as (
    select
        accounts.* exclude (card),
        members.email as usable_email,
        subscribers.* exclude (person_id),
        minor_units(accounts.main_currency) as units,
        -- What will be charged; where nothing is named, the last card that was.
        case
            when charged.person_id is not null then charged.card
            when accounts.default_method is not null then accounts.card
            else cards.card
        end as card
    from members
    inner join accounts on members.person_id = accounts.id
    left join subscribers on members.person_id = subscribers.person_id
    left join charged on accounts.id = charged.person_id
    left join cards on accounts.id = cards.person_id and accounts.main_currency = cards.currency
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
    case
        when owners.subscription.id is null then 0
        when recurring_amounts.person_id is not null then round(recurring_amounts.amount) / owners.units
        when coalesce(owners.subscription.currency, owners.main_currency) is not distinct from owners.main_currency
            then round(owners.subscription.mrr) / owners.units
        else 0
    end as mrr,
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
    case when not owners.subscription.is_over then owners.subscription.collection_paused end as collection_paused,
    case when not owners.subscription.is_over then owners.subscription.collection_resumes_at end as collection_resumes_at,
    owners.subscription.coupon as coupon,
    case
        when owners.id in (select person_id from unclear) then null
        when paid.person_id is null then 0
        else paid.amount_kept / owners.units
    end as lifetime_value,
    other_money.lifetime_value as lifetime_value_other_currencies,
    paid.last_paid_at as last_payment_at,
    paid.last_amount / owners.units as last_payment_amount,
    case
        when due.person_id is null then 0
        when not due.is_unclear then coalesce(cast(due.failed_payment_count as bigint), 0)
    end as failed_payment_count,
    due.next_payment_attempt as next_payment_attempt_at,
    case
        when due.person_id is null then 0
        when due.is_unclear then null
        when amounts_due.person_id is null then 0
        else amounts_due.amount / owners.units
    end as open_invoice_amount,
    other_money.amounts_due as open_invoice_amount_other_currencies,
    due.oldest.url as open_invoice_url,
    owners.card.brand as card_brand,
    owners.card.last4 as card_last4,
    month_end(owners.card.exp_year, owners.card.exp_month) as card_expires_at,
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
left join due on owners.id = due.person_id
left join amounts_due on owners.id = amounts_due.person_id and owners.main_currency = amounts_due.currency
left join other_money on owners.id = other_money.person_id
