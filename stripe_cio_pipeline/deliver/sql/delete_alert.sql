delete from pipeline.alerts where subject = ?
