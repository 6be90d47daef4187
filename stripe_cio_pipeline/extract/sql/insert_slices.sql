insert into pipeline.slices (object, created_from, created_before, starting_after, finished, rows_read, run_id)
select
    $object, unnest($created_from::bigint[]), unnest($created_before::bigint[]), unnest($starting_after::varchar[]),
    false, $rows_read, $run_id;
