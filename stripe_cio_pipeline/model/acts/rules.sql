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

-- name: the_day
-- The clock as models see it: it stands at the beginning of a day, in UTC.
set TimeZone = 'UTC';
create or replace temp macro current_date() as date '$day';
create or replace temp macro today() as date '$day';
create or replace temp macro now() as timestamptz '$day 00:00:00+00';
create or replace temp macro current_timestamp() as timestamptz '$day 00:00:00+00';
create or replace temp macro get_current_timestamp() as timestamptz '$day 00:00:00+00';
create or replace temp macro transaction_timestamp() as timestamptz '$day 00:00:00+00';
create or replace temp macro localtimestamp() as timestamp '$day 00:00:00';
create or replace temp macro current_localtimestamp() as timestamp '$day 00:00:00'

-- name: read_seed
-- A user's own table, with nothing guessed but types: what does not fit its header is an error.
from read_csv(
    $1, header = true, names = $2, delim = ',', quote = '"', escape = '"', strict_mode = true, null_padding = false,
    ignore_errors = false, sample_size = -1
)
