-- Which Stripe customers are one person: those with one email, compared trimmed and in lower case.
--
-- One of them owns the person, and gives `person_id`, name and email. The owner is never a deleted customer while
-- another one lives. Among the rest it is who owned the email when the last plan was made, then who has a live
-- subscription, then who paid last, then who came first. A customer without a usable email stands alone.
with trimmed as (
    select id as customer_id, created, coalesce(deleted, false) as deleted, trim(email, e' \t\r\n') as email
    from customers
),
addressed as (
    select
        customer_id,
        created,
        deleted,
        email,
        -- RFC 5322 without quoted names, as Customer.io asks. What cannot be an address must not tie strangers together.
        case
            when length(email) <= 254
                and regexp_full_match(
                    email,
                    '[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*'
                    || '@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*'
                )
                then lower(email)
        end as email_key
    from trimmed
),
living as (
    select distinct customer_id
    from subscriptions
    where status in ('active', 'trialing', 'past_due')
),
paying as (
    select customer_id, max(created) as paid_at
    from charges
    where status = 'succeeded'
    group by customer_id
),
ranked as (
    select
        a.customer_id,
        a.email_key,
        if(a.email_key is null, null, a.email) as email,
        a.deleted,
        o.person_id is not null as was_owner,
        l.customer_id is not null as is_living,
        p.paid_at,
        row_number() over owner_first as rank,
        count(*) over (partition by coalesce(a.email_key, a.customer_id), a.email_key is null) as size,
        first_value(a.customer_id) over owner_first as person_id,
        first_value(case
            when a.deleted then 'deleted'
            when o.person_id is not null then 'was_owner'
            when l.customer_id is not null then 'live_subscription'
            when p.paid_at is not null then 'most_recent_payment'
            else 'oldest'
        end) over owner_first as owner_reason
    from addressed as a
    left join model.owners as o on o.email_key = a.email_key and o.person_id = a.customer_id
    left join living as l on l.customer_id = a.customer_id
    left join paying as p on p.customer_id = a.customer_id
    window owner_first as (
        partition by coalesce(a.email_key, a.customer_id), a.email_key is null
        order by
            a.deleted,
            o.person_id is null,
            l.customer_id is null,
            p.paid_at desc nulls last,
            a.created nulls last,
            a.customer_id
        rows between unbounded preceding and unbounded following
    )
)
select
    customer_id,
    person_id,
    if(rank = 1, 'owner', 'member') as role,
    email,
    email_key,
    case
        when email_key is null then 'no_usable_email'
        when size = 1 then 'only_customer'
        else owner_reason
    end as reason
from ranked
