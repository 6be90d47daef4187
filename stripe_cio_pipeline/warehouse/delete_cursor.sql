delete from pipeline.cursors where name = ?
