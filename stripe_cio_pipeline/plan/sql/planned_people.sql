-- Decisions as operations. Whoever waits or stays as they are has none.
create or replace temp view planned_people as
with worded as (
    select
        d.person_id,
        d.action,
        d.reason,
        d.other,
        d.position,
        d.source_event_id,
        case d.sets
            when 'all' then identify_operation(
                if(t.strategy = 'metadata' or d.email is null, 'id', 'email'),
                if(t.strategy = 'metadata' or d.email is null, d.id, d.email),
                p.attributes
            )
            when 'id' then update_operation(d.change_kind, d.change_value, one_attribute('id', d.id))
            when 'email' then update_operation(d.change_kind, d.change_value, one_attribute('email', d.email))
            when 'no_email' then update_operation(d.change_kind, d.change_value, one_attribute('email', null))
            when 'changes' then update_operation(d.kind, d.value, x.after)
            else
                case
                    when d.action in ('delete', 'suppress') then action_operation(d.kind, d.value, d.action)
                    when d.reason = 'joined_another_person' and d.action = 'merge'
                        then merge_operation('id', d.joined_id, 'id', d.known_id)
                    when d.action = 'merge' then merge_operation('id', d.known_id, 'email', d.email)
                end
        end as operation,
        case
            when d.sets = 'all' then '{}'
            when d.sets = 'id' then one_attribute('id', d.known_id)
            when d.sets in ('email', 'no_email') then one_attribute('email', d.known_email)
            when d.sets = 'changes' then x.before
            when d.action in ('delete', 'suppress', 'merge')
                then json_object('id', d.known_id, 'email', d.known_email)::varchar
        end as before,
        case
            when d.sets = 'all' then p.attributes
            when d.sets = 'id' then one_attribute('id', d.id)
            when d.sets = 'email' then one_attribute('email', d.email)
            when d.sets = 'no_email' then one_attribute('email', null)
            when d.sets = 'changes' then x.after
            when d.reason = 'lead_merged' then one_attribute('email', null)
        end as after
    from decisions as d
    cross join terms as t
    left join people_attributes as p on d.sets = 'all' and p.person_id = d.person_id
    left join changes as x on d.sets = 'changes' and x.person_id = d.person_id
    where d.action in ('identify', 'update', 'delete', 'suppress', 'merge', 'hold')
)
select *, md5(operation) as payload_hash
from worded
