-- People whose customers are not those they were: a plan looks at them, whatever their attributes say.
create or replace temp table moved_people as
select person_id from compared_members where is_moved and person_id is not null
union
select former_person_id from compared_members where is_moved and former_person_id is not null
