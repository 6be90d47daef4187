select value from pipeline.cursors where name = ?
