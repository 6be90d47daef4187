-- Named positions.

-- name: read_cursor
select value from pipeline.cursors where name = ?

-- name: read_cursors
select name, value from pipeline.cursors

-- name: delete_cursor
delete from pipeline.cursors where name = ?
