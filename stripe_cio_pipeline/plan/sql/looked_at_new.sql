-- The rows of the suspects are copied, so that nothing below reads the wide columns of everybody. Rows that the model wrote
-- since the last plan stand together at the table's end; who is suspected for another reason is looked up apart.
create or replace temp table looked_at as
from model.people
where _seq > $mark;

create or replace temp table others as
select person_id
from suspects
where person_id not in (select person_id from looked_at);

create or replace temp table known as
select * exclude (accepted_at, run_id)
from customerio.people
semi join suspects using (person_id)
