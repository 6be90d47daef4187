delete from model.owners
where person_id = $person
