-- Which Stripe customers are one person: those with one email, compared trimmed and in lower case.
--
-- One of them owns the person, and gives `person_id`, name and email. The owner is never a deleted customer while
-- another one lives. Among the rest it is who owned the email when the last plan was made, then who has a live
-- subscription, then who paid last, then who came first. A customer without a usable email stands alone.
with trimmed as (
    select
        id as customer_id,
        created,
        coalesce(deleted, false) as deleted,
        -- What cannot be seen comes with copying: spaces that do not break, or have no width, and marks of byte order.
        trim(email, e' \t\r\n' || chr(160) || chr(8203) || chr(8288) || chr(65279)) as email
    from customers
),
addressed as materialized (
    select
        customer_id,
        created,
        deleted,
        email,
        -- RFC 5322 without quoted names, as Customer.io asks, and letters of every script as RFC 6531 has them. What cannot
        -- be an address must not tie strangers together.
        case
            when length(email) <= 254
                and regexp_full_match(
                    email,
                    '[\pL\pM\pN!#$%&''*+/=?^_`{|}~-]+(\.[\pL\pM\pN!#$%&''*+/=?^_`{|}~-]+)*'
                    || '@[\pL\pN]([\pL\pM\pN-]*[\pL\pM\pN])?(\.[\pL\pN]([\pL\pM\pN-]*[\pL\pM\pN])?)*'
                )
                then lower(email)
        end as email_key
    from trimmed
),
shared as (
    select email_key
    from addressed
    group by email_key
    having count(email_key) > 1
),
-- Only who shares an email has to be compared with somebody.
sharing as (
    select *
    from addressed
    semi join shared using (email_key)
),
living as (
    select distinct customer_id
    from subscriptions
    where status in ('active', 'trialing', 'past_due')
        and customer_id in (select customer_id from sharing)
),
paying as (
    select customer_id, max(created) as paid_at
    from charges
    where status = 'succeeded'
        and customer_id in (select customer_id from sharing)
    group by customer_id
),
ranked as (
    select
        s.customer_id,
        s.email_key,
        s.email,
        row_number() over owner_first as rank,
        first_value(s.customer_id) over owner_first as person_id,
        first_value(case
            when s.deleted then 'deleted'
            when o.person_id is not null then 'was_owner'
            when l.customer_id is not null then 'live_subscription'
            when p.paid_at is not null then 'most_recent_payment'
            else 'oldest'
        end) over owner_first as reason
    from sharing as s
    left join model.owners as o on o.email_key = s.email_key and o.person_id = s.customer_id
    left join living as l on l.customer_id = s.customer_id
    left join paying as p on p.customer_id = s.customer_id
    window owner_first as (
        partition by s.email_key
        order by
            s.deleted,
            o.person_id is null,
            l.customer_id is null,
            p.paid_at desc nulls last,
            s.created nulls last,
            s.customer_id
        rows between unbounded preceding and unbounded following
    )
)
select
    customer_id,
    person_id,
    if(rank = 1, 'owner', 'member') as role,
    email,
    email_key,
    reason
from ranked
union all
select
    customer_id,
    customer_id as person_id,
    'owner' as role,
    if(email_key is null, null, email) as email,
    email_key,
    case
        when email_key is not null then 'only_customer'
        when coalesce(email, '') = '' then 'no_email'
        else 'unusable_email'
    end as reason
from addressed
anti join shared using (email_key)
