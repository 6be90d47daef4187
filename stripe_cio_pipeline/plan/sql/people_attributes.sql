-- Those who are looked at as the model wants them: attributes as one JSON object without nulls. {attributes} and
-- {columns} are filled in by planning, because the columns are the user's own and SQL cannot name "all but these".
create or replace temp view people_attributes as
select
    person_id,
    id,
    lower(email) as email_key,
    _rejected is not null as is_oversize,
    '{{' || substr(concat({attributes}), 2) || '}}' as attributes,
    hash({columns}) as content
from looked_at
