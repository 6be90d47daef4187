-- Customers to whom objects belonged that are replaced.
insert into touched
select distinct customer_id from deleted
