-- How operations are written (v2 Track API): one identifier, and attributes that never create somebody who was removed.
create or replace temp macro addressed(kind, value) as '{' || to_json(kind) || ':' || to_json(value) || '}';

-- An operation up to its attributes: these stand in `after` and are not written a second time.
create or replace temp macro identify_heading(kind, value) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":"identify","attributes":{';

create or replace temp macro update_heading(kind, value) as identify_heading(kind, value) || '"_update":true,';

-- As the view customerio.planned puts it together.
create or replace temp macro operation_text(operation, heading, after) as
    coalesce(operation, heading || substring(after, 2) || '}');

create or replace temp macro update_operation(kind, value, attributes) as
    operation_text(null, update_heading(kind, value), attributes);

create or replace temp macro action_operation(kind, value, verb) as
    '{"type":"person","identifiers":' || addressed(kind, value) || ',"action":' || to_json(verb) || '}';

create or replace temp macro merge_operation(kind, value, other_kind, other_value) as
    '{"type":"person","action":"merge","primary":' || addressed(kind, value)
    || ',"secondary":' || addressed(other_kind, other_value) || '}';

create or replace temp macro one_attribute(name, value) as
    '{' || to_json(name) || ':' || coalesce(to_json(value)::varchar, 'null') || '}'
