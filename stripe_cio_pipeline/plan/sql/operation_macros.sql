-- How operations are written (v2 Track API): one identifier, and attributes that never create somebody who was removed.
create or replace temp macro addressed(kind, value) as '{' || to_json(kind) || ':' || to_json(value) || '}';

create or replace temp macro identify_operation(kind, value, attributes) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":"identify","attributes":' || attributes || '}';

create or replace temp macro update_operation(kind, value, attributes) as
    identify_operation(kind, value, '{"_update":true,' || substr(attributes, 2));

create or replace temp macro action_operation(kind, value, verb) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":' || to_json(verb) || '}';

create or replace temp macro merge_operation(kind, value, other_kind, other_value) as
    '{"type":"person","action":"merge","primary":' || addressed(kind, value)
    || ',"secondary":' || addressed(other_kind, other_value) || '}';

create or replace temp macro one_attribute(name, value) as
    '{' || to_json(name) || ':' || coalesce(to_json(value)::varchar, 'null') || '}'
