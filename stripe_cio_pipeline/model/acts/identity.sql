create or replace temp table identity as select ?::varchar as strategy, ?::varchar as metadata_key
