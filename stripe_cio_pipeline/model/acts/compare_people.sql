-- Everybody as the model has them now, beside who stands in model.people. `news` is the row, in a list, where another one
-- stands there: whole rows are kept of those alone, because writing a million takes as long as computing them.
create or replace temp table compared_people as
select
    people.person_id,
    former.person_id as former_id,
    people._seq is not null as is_computed,
    case
        when people._seq is not null
            and (
                people._hash is distinct from former._hash
                or people.person_id in (select person_id from moved_people)
            )
            then [people]
    end as news
from people_of_the_model as people
full join (select person_id, _hash from model.people) as former on people.person_id = former.person_id
