-- What of a list is still to be read.

-- name: slices_of
select created_from, created_before, starting_after, rows_read
from pipeline.slices
where object = ? and not finished
order by created_before desc;

-- name: delete_slices
delete from pipeline.slices
where object = ?;

-- name: insert_slices
insert into pipeline.slices (object, created_from, created_before, starting_after, finished, rows_read, run_id)
select
    $object, unnest($created_from::bigint[]), unnest($created_before::bigint[]), unnest($starting_after::varchar[]),
    false, $rows_read, $run_id;
