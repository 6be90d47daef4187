insert into touched
select customer_id from strays where customer_id is not null
