-- Who is computed anew after a change, and whoever is one person with them.

-- name: create_touched
create or replace temp table touched (customer_id varchar);
create or replace temp table new_emails (email_key varchar)

-- name: touched_before
-- Customers who changed, and those whose prices, products or coupons did, or what only a charge or an invoice says whose it
-- is. A union of lookups, because `or` reads every row.
-- To whom other changed objects belonged is told when these are replaced.
insert into touched
select id from changed where object = 'customers'
union
select customer_id from model.subscription_items where product_id in (select id from changed where object = 'products')
union
select customer_id from model.subscription_items where price_id in (select id from changed where object = 'prices')
union
select customer_id from model.discounts where coupon_id in (select id from changed where object = 'coupons')
union
select id
from model.customers
where discount_coupon is not null
    and expanded_id(discount_coupon) in (select id from changed where object = 'coupons')
union
select customer_id
from model.charges
where id in (
    select expanded_id(payload ->> 'charge')
    from stripe.disputes
    where id in (select id from changed where object = 'disputes')
)
union
select customer_id
from model.invoices
where id in (
    select expanded_id(payload ->> 'invoice')
    from stripe.invoice_payments
    where id in (select id from changed where object = 'invoice_payments')
)

-- name: new_emails
-- An email that is new stands with a customer who changed.
insert into new_emails
select lower(email) as email_key
from "new customers"

-- name: touched_replaced
-- Customers to whom objects belonged that are replaced.
insert into touched
select distinct customer_id from deleted

-- name: create_scope
create or replace temp table scope as
select distinct customer_id
from touched
where customer_id is not null

-- name: former_members
-- Those in scope, as they were modelled last: the row's number, so that it is replaced without looking for it again.
create or replace temp table former_members as
select rowid as number, customer_id, person_id, role, email_key
from model.members
where customer_id in (select customer_id from scope)

-- name: ties
-- What makes customers one person with those in scope: a person of the last build, or an email that is the same now.
create or replace temp table ties as
select person_id, email_key
from former_members
union
select null as person_id, email_key
from new_emails

-- name: more_members
-- Who is tied to those in scope.
insert into former_members
select rowid as number, customer_id, person_id, role, email_key
from model.members
where (
    person_id in (select person_id from ties where person_id is not null)
    or email_key in (select email_key from ties where email_key is not null)
)
and customer_id not in (select customer_id from former_members)

-- name: more_ties
-- What ties those who were found to customers who were not yet: nothing, where a person is an email.
insert into ties
select person_id, email_key
from former_members
where person_id not in (select person_id from ties where person_id is not null)
    or email_key not in (select email_key from ties where email_key is not null)

-- name: widen_scope
insert into scope
select customer_id
from former_members
where customer_id not in (select customer_id from scope)

-- name: touched_strays
insert into touched
select customer_id from strays where customer_id is not null
