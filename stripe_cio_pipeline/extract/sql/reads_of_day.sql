select sum(requests)
from pipeline.reads
where day = ? and endpoint = ?;
