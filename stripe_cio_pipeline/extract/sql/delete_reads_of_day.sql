delete from pipeline.reads
where day = ? and endpoint = ?;
