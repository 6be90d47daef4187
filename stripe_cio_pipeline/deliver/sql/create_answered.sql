-- What became of each answered position; `reason` is null where the item was accepted. What all items of a batch have in
-- common stands once a batch and is joined where it is asked for.
create temp table answered_items as select batch, unnest(positions) as position from handed_batches;

create temp table answered_batches as
select
    batch,
    request_id,
    make_timestamp((answered_at * 1e6)::bigint) as answered_at
from handed_batches;

create temp table refused_items as from handed_problems;

create temp view answered as
select
    items.position,
    batches.request_id,
    batches.answered_at,
    refused.reason,
    refused.field,
    refused.message
from answered_items as items
inner join answered_batches as batches on batches.batch = items.batch
left join refused_items as refused on refused.position = items.position;
