-- Everybody as the model wants them: attributes as one JSON object without nulls. {columns} is filled in by planning,
-- because the columns are the user's own and SQL cannot pack "all but these" into a struct.
create or replace temp view people_attributes as
select
    person_id,
    id,
    email,
    lower(email) as email_key,
    _seq as seq,
    _source_event_id as source_event_id,
    json_merge_patch('{{}}', to_json(struct_pack({columns}))) as attributes
from model.people
