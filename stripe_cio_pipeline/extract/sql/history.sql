-- What of a list is still to be read.

-- name: slices_of
select created_from, created_before, starting_after
from pipeline.slices
where object = ?
order by created_before desc;

-- name: delete_slices
delete from pipeline.slices
where object = ?;

-- name: insert_slices
insert into pipeline.slices (object, created_from, created_before, starting_after, run_id)
select
    $object, unnest($created_from::bigint[]), unnest($created_before::bigint[]), unnest($starting_after::varchar[]),
    $run_id;

-- name: delete_mark
delete from pipeline.cursors
where name = 'history.' || ?;

-- name: not_granted
-- Object types that the key may not read.
select object, permission
from pipeline.not_granted
order by object;

-- name: delete_not_granted
delete from pipeline.not_granted
where object = ?;

-- name: insert_not_granted
insert into pipeline.not_granted (object, permission, run_id)
values (?, ?, ?);
