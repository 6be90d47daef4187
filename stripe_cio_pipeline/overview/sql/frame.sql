-- Of which account and of which days a picture tells, and what the user's models give to draw it from.

-- name: bindings
select name, value
from pipeline.bindings

-- name: columns_of_people
-- No row before the first build. A models folder may leave out any attribute.
select lower(column_name)
from duckdb_columns()
where database_name = current_database() and schema_name = 'model' and table_name = 'people'

-- name: first_day
-- Since when there is a ledger or a plan; null where nothing was planned yet.
select cast(min(moment) as date)
from (
    select min(planned_at) as moment from customerio.plans
    union all
    select min(coalesce(linked_at, accepted_at)) from customerio.people
)
