select created_from, created_before, starting_after, rows_read
from pipeline.slices
where object = ? and not finished
order by created_before desc;
