-- The rows of the suspects are copied, so that nothing below reads the wide columns of everybody.
create or replace temp table looked_at as
from model.people
semi join suspects using (person_id);

create or replace temp table known as
from customerio.people
semi join suspects using (person_id)
