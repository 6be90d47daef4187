delete from model.members where customer_id in (select customer_id from scope);
insert into model.members from temp.members
