-- Named positions.

-- name: read_cursor
select value from pipeline.cursors where name = ?
