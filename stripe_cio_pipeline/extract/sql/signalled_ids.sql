select distinct id
from pipeline.signals
where object = ?
order by id
limit ?;
