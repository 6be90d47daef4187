delete from pipeline.bindings where name = ?
