-- Customers to whom changed objects belong now. Rows that are new stand together, so that nothing else is read.
insert into touched
select customer_id from model.subscriptions where seq > $mark
union
select customer_id from model.invoices where seq > $mark
union
select customer_id from model.charges where seq > $mark
