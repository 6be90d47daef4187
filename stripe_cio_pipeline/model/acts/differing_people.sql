-- The rows to be written, and whose rows they replace: those of people who are none any more too.
create or replace temp table new_people as
select unnest(row)
from (
    select unnest(news) as row
    from compared_people
    where news is not null
);

create or replace temp table former_people as
select former_id as person_id
from compared_people
where news is not null or not is_computed
