-- Named positions.

-- name: read_cursor
select value from pipeline.cursors where name = ?

-- name: delete_cursor
delete from pipeline.cursors where name = ?
