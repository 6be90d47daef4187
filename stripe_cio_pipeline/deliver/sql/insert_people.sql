-- What Customer.io has accepted now, beside what it had accepted before (removed by delete_older_people).
-- The merge is skipped where there is nothing to merge with, because it costs more than everything else here. It is
-- JSON's merge patch, in which null removes, but in which an object would be merged where Customer.io replaces it: an
-- object's name is emptied first.
insert into customerio.people (
    person_id, state, id, email, cio_id, attributes, linked_at, accepted_at, reason, run_id, seq
)
with unlinked as (
    -- The one whose id becomes another's. Apart from the rest, which is spared reading every operation for it.
    select position
    from customerio.operations
    where
        position between $first and $last
        and action = 'merge'
        and (operation ->> '$.secondary.id') is not null
),
moved as (
    select
        plan.person_id,
        case plan.action
            when 'identify' then false
            when 'update' then false
            when 'merge' then plan.position in (from unlinked)
            else true
        end as is_removed,
        plan.action,
        plan.after,
        json_extract_string(plan.after, ['$.id', '$.email']) as named,
        -- A conflict is about an identifier, and lasts until one is set again.
        case plan.action
            when 'identify' then true
            else json_exists(plan.after, '$.id') or json_exists(plan.after, '$.email')
        end as sets_identifier,
        answered.answered_at
    from customerio.operations as plan
    inner join answered on answered.position = plan.position and answered.reason is null
    where plan.position between $first and $last and plan.action <> 'event'
)
select
    moved.person_id,
    case
        when moved.action = 'suppress' then 'suppressed'
        when moved.is_removed then 'deleted'
        when moved.action in ('identify', 'merge') then 'linking'
        when known.state is null or (known.state = 'conflict' and moved.sets_identifier) then 'linked'
        else known.state
    end,
    coalesce(moved.named[1], known.id),
    case
        when moved.is_removed then null
        when moved.named[2] is not null then moved.named[2]
        when moved.sets_identifier and json_exists(moved.after, '$.email') then null
        else known.email
    end,
    known.cio_id,
    case
        when moved.is_removed then '{}'
        when known.attributes is null and not contains(moved.after, ':null') then moved.after
        when not contains(substring(moved.after, 2), '{')
            then json_merge_patch(coalesce(known.attributes, '{}'), coalesce(moved.after, '{}'))
        else json_merge_patch(
            coalesce(known.attributes, '{}'),
            '{' || array_to_string(
                list_transform(json_keys(moved.after), lambda name: to_json(name)::varchar || ':null'), ','
            ) || '}',
            moved.after
        )
    end,
    if(moved.action in ('identify', 'merge') and not moved.is_removed, moved.answered_at, known.linked_at),
    moved.answered_at,
    if(moved.action = 'update' and not moved.sets_identifier, known.reason, null),
    $run_id,
    $seq
from moved
left join known on known.person_id = moved.person_id
