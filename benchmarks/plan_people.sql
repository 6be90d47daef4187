-- A model as people.sql makes it, for {people} customers: most pay, some have nothing yet.
create table model.people as
select
    'cus_' || lpad(i::varchar, 14, '0') as person_id,
    'cus_' || lpad(i::varchar, 14, '0') as id,
    'customer-' || i || '@example.com' as email,
    'Customer ' || i as name,
    null::varchar as phone,
    1600000000 + i as created_at,
    'cus_' || lpad(i::varchar, 14, '0') as stripe_customer_id,
    ['cus_' || lpad(i::varchar, 14, '0')] as stripe_customer_ids,
    ['DE', 'US', 'FR', null][i % 4 + 1] as country,
    if(i % 3 = 0, 'de', null) as "language",
    'usd' as currency,
    false as delinquent,
    0.00::decimal(18, 2) as balance,
    if(i % 5 < 4, 'Pro', null) as plan,
    if(i % 5 < 4, ['Pro'], null) as plans,
    if(i % 5 < 4, 'active', null) as subscription_status,
    if(i % 5 < 4, 'sub_' || lpad(i::varchar, 14, '0'), null) as subscription_id,
    if(i % 5 < 4, 1650000000 + i, null) as subscriber_since,
    if(i % 5 < 4, 1 + i % 7, null) as quantity,
    if(i % 5 < 4, 'month', null) as billing_interval,
    if(i % 5 < 4, 49 * (1 + i % 7), 0)::decimal(18, 2) as mrr,
    null::json as mrr_other_currencies,
    null::bigint as trial_ends_at,
    if(i % 5 < 4, 1800000000 + i % 2592000, null) as current_period_ends_at,
    if(i % 5 < 4, false, null) as cancel_at_period_end,
    null::bigint as cancels_at,
    null::bigint as canceled_at,
    if(i % 20 = 0, 'WELCOME', null) as coupon,
    if(i % 5 < 4, 490, 0)::decimal(18, 2) as lifetime_value,
    null::json as lifetime_value_other_currencies,
    if(i % 5 < 4, 1790000000 + i, null) as last_payment_at,
    if(i % 5 < 4, 49, null)::decimal(18, 2) as last_payment_amount,
    0::bigint as failed_payment_count,
    null::bigint as next_payment_attempt_at,
    0.00::decimal(18, 2) as open_invoice_amount,
    null::varchar as open_invoice_url,
    if(i % 5 < 4, 'visa', null) as card_brand,
    if(i % 5 < 4, '4242', null) as card_last4,
    if(i % 5 < 4, 1900000000, null) as card_expires_at,
    true as stripe_livemode,
    null::bigint as stripe_deleted_at,
    0::bigint as _seq,
    null::varchar as _source_event_id,
    null::varchar as _rejected
from range({people}) as r(i);

create table model.members as
select person_id as customer_id, person_id, 'owner' as role, email, email as email_key, 'only_customer' as reason
from model.people;

create table model.customers as
select person_id as id, email, created_at as created, false as deleted
from model.people;

create table model.events (event_id varchar, type varchar, customer_id varchar, created bigint, name varchar, guest_email varchar, data json);
