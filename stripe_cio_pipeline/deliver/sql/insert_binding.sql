insert into pipeline.bindings (name, value, bound_at) values (?, ?, ?)
