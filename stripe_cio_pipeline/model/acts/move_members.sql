delete from model.members where customer_id in (select former_id from compared_members);
insert into model.members
select * exclude (former_id, former_person_id, is_moved) from compared_members where customer_id is not null
