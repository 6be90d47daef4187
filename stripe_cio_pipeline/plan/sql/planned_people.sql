-- Decisions as operations. Whoever waits or stays as they are has none. The position comes from the row's own number, because
-- counting rows would keep a second processor waiting.
create or replace temp view planned_people as
with first_decision as (
    select min(rowid) as first from decisions
),
worded as (
    -- All attributes, for people who are linked or created.
    select
        d.person_id,
        d.action,
        d.reason,
        d.other,
        d.rowid - f.first + 1 as position,
        d.source_event_id,
        identify_heading(
            if(t.strategy = 'metadata' or d.email is null, 'id', 'email'),
            if(t.strategy = 'metadata' or d.email is null, d.id, d.email)
        ) as heading,
        null as operation,
        '{}' as before,
        p.attributes as after
    from decisions as d
    cross join first_decision as f
    cross join terms as t
    join people_attributes as p on p.person_id = d.person_id
    where d.sets = 'all'
    union all
    -- What changed, for those who are linked.
    select
        d.person_id,
        d.action,
        d.reason,
        d.other,
        d.rowid - f.first + 1 as position,
        d.source_event_id,
        update_heading(d.kind, d.value),
        null,
        x.before,
        x.after
    from decisions as d
    cross join first_decision as f
    join changes as x on x.person_id = d.person_id
    where d.sets = 'changes'
    union all
    -- One identifier alone, removals, and what is not sent at all.
    select
        d.person_id,
        d.action,
        d.reason,
        d.other,
        d.rowid - f.first + 1 as position,
        d.source_event_id,
        case when d.sets in ('id', 'email', 'no_email') then update_heading(d.change_kind, d.change_value) end,
        case
            when d.action in ('delete', 'suppress') then action_operation(d.kind, d.value, d.action)
            when d.action = 'merge' and d.reason = 'joined_another_person'
                then merge_operation('id', d.joined_id, 'id', d.known_id)
            when d.action = 'merge' then merge_operation('id', d.known_id, 'email', d.email)
        end,
        case
            when d.sets = 'id' then one_attribute('id', d.known_id)
            when d.sets in ('email', 'no_email') then one_attribute('email', d.known_email)
            when d.action <> 'hold' then json_object('id', d.known_id, 'email', d.known_email)::varchar
        end,
        case
            when d.sets = 'id' then one_attribute('id', d.id)
            when d.sets = 'email' then one_attribute('email', d.email)
            when d.sets = 'no_email' then one_attribute('email', null)
            -- The person keeps the former email until the new one is set: not known to us, and not none.
            when d.reason = 'lead_merged' then one_attribute('email', '')
        end
    from decisions as d
    cross join first_decision as f
    where d.action in ('identify', 'update', 'delete', 'suppress', 'merge', 'hold')
        and (d.sets is null or d.sets not in ('all', 'changes'))
)
from worded
