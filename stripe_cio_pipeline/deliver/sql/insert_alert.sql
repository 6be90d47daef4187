insert into pipeline.alerts (subject, state, detail, since, told_at, run_id) values (?, ?, ?, ?, ?, ?)
