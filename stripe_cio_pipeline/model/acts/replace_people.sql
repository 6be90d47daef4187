delete from model.people
where person_id in (select person_id from former_people union select person_id from new_people);

insert into model.people from new_people;

insert into model.former_people
select person_id from former_people where person_id not in (select person_id from new_people where person_id is not null)
