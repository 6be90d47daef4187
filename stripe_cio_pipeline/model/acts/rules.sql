-- What DuckDB itself says of its functions and words.

-- name: macros
-- Functions that were made for this connection.
select function_name, function_type, macro_definition
from duckdb_functions()
where database_name = 'temp' and macro_definition is not null

-- name: volatile_functions
-- Those that give another value each time, or do something.
select distinct function_name
from duckdb_functions()
where stability = 'VOLATILE'
union
select 'txid_current'

-- name: reserved_words
select keyword_name
from duckdb_keywords()
where keyword_category in ('reserved', 'type_function')
