-- Which steps of the schema this warehouse has seen.

-- name: has_migrations
select count(*) > 0 from duckdb_tables() where schema_name = 'pipeline' and table_name = 'migrations'

-- name: create_migrations
create schema if not exists pipeline;
create table if not exists pipeline.migrations (name varchar not null, applied_at timestamp not null)

-- name: applied_migrations
select name from pipeline.migrations order by name

-- name: insert_migration
insert into pipeline.migrations (name, applied_at) values (?, ?)
