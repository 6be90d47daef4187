-- What the policy says and what time it is, for all that follows.
create or replace temp table terms as
select
    $now::timestamp as now,
    $strategy::varchar as strategy,
    $settle_seconds::bigint as settle_seconds,
    $merge::boolean as merge,
    $on_delete::varchar as on_delete,
    $without_email::varchar as without_email
