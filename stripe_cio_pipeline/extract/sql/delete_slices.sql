delete from pipeline.slices
where object = ?;
