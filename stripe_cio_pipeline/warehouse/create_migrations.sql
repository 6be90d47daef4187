create schema if not exists pipeline;
create table if not exists pipeline.migrations (name varchar not null, applied_at timestamp not null)
