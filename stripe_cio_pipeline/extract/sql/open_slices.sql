select object, count(*), max(rows_read)
from pipeline.slices
where not finished
group by object;
