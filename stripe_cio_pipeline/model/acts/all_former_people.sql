-- Who stood in model.people before it was written anew.
create or replace temp table former_people as
select person_id from model.people
