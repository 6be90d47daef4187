insert into pipeline.cursors (name, value, moved_at, run_id) values (?, ?, ?, ?)
