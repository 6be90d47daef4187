delete from model.people
where person_id in (select person_id from former_people union select person_id from new_people);
insert into model.people from new_people
