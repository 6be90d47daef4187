-- What the last plan holds that was not answered: the next one takes its place.
create or replace temp table standing as
select plan_id, position, action, person_id, event_id
from customerio.due($first)
