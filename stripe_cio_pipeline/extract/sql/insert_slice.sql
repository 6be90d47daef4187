insert into pipeline.slices (object, created_from, created_before, starting_after, finished, rows_read, run_id)
values (?, ?, ?, ?, false, ?, ?);
