delete from pipeline.listed
where object = ?;
