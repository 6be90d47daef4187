-- What an older release did not read of an object type. `{table}` is the type; `$path` leads into its payloads.

-- name: lacks_expanded
-- An id where the object should be.
select exists(select 1 from stripe.{table} where not deleted and json_type(payload, $path) = 'VARCHAR');

-- name: lacks_expanded_in_list
select exists(
    select 1 from stripe.{table} where not deleted and list_contains(json_type(payload, $path), 'VARCHAR')
);

-- name: lacks_field
select exists(select 1 from stripe.{table} where not deleted and not json_exists(payload, $path));

-- name: not_read_since
select id
from stripe.{table}
where
    not deleted
    and (read_at is null or epoch_us(read_at) < $since)
    and id not in (select id from pipeline.unread where object = '{table}' and next_at > $now)
order by id
limit $most;

-- name: count_not_read_since
select count(*)
from stripe.{table}
where not deleted and (read_at is null or epoch_us(read_at) < $since);
