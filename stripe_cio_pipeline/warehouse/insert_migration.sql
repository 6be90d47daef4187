insert into pipeline.migrations (name, applied_at) values (?, ?)
