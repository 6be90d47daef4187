-- One row per answered position; `reason` is null where the item was accepted.
create temp table answered as
with items as (
    select unnest(positions) as position, request_id, sent_at, answered_at from answered_batches
)
select
    items.position,
    items.request_id,
    make_timestamp((items.sent_at * 1e6)::bigint) as sent_at,
    make_timestamp((items.answered_at * 1e6)::bigint) as answered_at,
    refused.reason,
    refused.field,
    refused.message
from items
left join refused_items as refused on refused.position = items.position
