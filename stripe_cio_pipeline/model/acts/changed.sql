-- Ids of the raw objects that were written after the model last looked.
create or replace temp table changed as
select 'customers' as object, id from stripe.customers where seq > $mark
union all
select 'subscriptions', id from stripe.subscriptions where seq > $mark
union all
select 'invoices', id from stripe.invoices where seq > $mark
union all
select 'charges', id from stripe.charges where seq > $mark
union all
select 'products', id from stripe.products where seq > $mark
union all
select 'prices', id from stripe.prices where seq > $mark
union all
select 'coupons', id from stripe.coupons where seq > $mark
