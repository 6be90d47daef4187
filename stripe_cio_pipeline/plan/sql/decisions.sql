-- One decision a person: what is done, and why. `sets` says which attributes travel.
create or replace temp table decisions as
with decided as (
    select
        s.*,
        case
            when not s.modelled then
                case
                    when s.state = 'linking' then {'action': 'wait', 'reason': 'link_settling'}
                    when s.deleted and t.on_delete <> 'keep' and s.state = 'linked'
                        then {'action': t.on_delete, 'reason': 'deleted_in_stripe'}
                    when s.joined is null or s.deleted then {'action': 'keep', 'reason': 'not_modelled'}
                    when t.merge and s.state = 'linked' and j.state = 'linked' and j.id is not null and s.known_id is not null
                        then {'action': 'merge', 'reason': 'joined_another_person'}
                    else {'action': 'hold', 'reason': 'joined_another_person'}
                end
            when s.state in ('deleted', 'suppressed') then {'action': 'keep', 'reason': 'removed_in_customerio'}
            when s.deleted and s.state is null then {'action': 'keep', 'reason': 'deleted_before_linked'}
            when s.deleted and t.on_delete <> 'keep' then
                case
                    when s.state = 'linking' then {'action': 'wait', 'reason': 'link_settling'}
                    when s.conflict = 'id_refused' and s.state = 'conflict' then {'action': 'hold', 'reason': 'id_refused'}
                    else {'action': t.on_delete, 'reason': 'deleted_in_stripe'}
                end
            when s.is_oversize then {'action': 'hold', 'reason': 'value_too_large'}
            when s.state is null
                or (s.state = 'conflict' and s.conflict = 'id_refused' and s.email_key is distinct from s.known_email_key)
                then
                    case
                        when t.strategy = 'metadata' and s.id is null then {'action': 'hold', 'reason': 'no_metadata_id'}
                        when s.id_holder is not null then {'action': 'hold', 'reason': 'id_in_use'}
                        when s.email is null and (t.strategy = 'email' or t.without_email = 'skip')
                            then {'action': 'hold', 'reason': 'no_email'}
                        when s.email_holder is not null then {'action': 'hold', 'reason': 'email_in_use'}
                        when s.email_settling then {'action': 'wait', 'reason': 'email_settling'}
                        when t.strategy = 'metadata' then {'action': 'identify', 'reason': 'linked_by_metadata_id'}
                        when s.email is null then {'action': 'identify', 'reason': 'identified_without_email'}
                        when t.strategy = 'email' then {'action': 'identify', 'reason': 'identified_by_email'}
                        else {'action': 'identify', 'reason': 'linked_by_email'}
                    end
            when s.state = 'conflict' and s.conflict = 'id_refused' then {'action': 'hold', 'reason': 'id_refused'}
            when s.state = 'linking' then
                case
                    when s.differs or s.email_step <> 'same' or s.id_step = 'set'
                        then {'action': 'wait', 'reason': 'link_settling'}
                    else {'action': 'keep', 'reason': 'unchanged'}
                end
            when s.id_step = 'set' and s.former is not null then {'action': 'identify', 'reason': 'owner_replaced'}
            when s.id_step = 'set' then {'action': 'identify', 'reason': 'id_changed'}
            when s.email_step = 'set' and s.email is null then {'action': 'update', 'reason': 'email_removed'}
            when s.email_step = 'set' and s.known_email is null then {'action': 'update', 'reason': 'email_added'}
            when s.email_step = 'set' then {'action': 'update', 'reason': 'email_changed'}
            when s.email_step = 'clear' then {'action': 'update', 'reason': 'email_swap'}
            when s.email_step = 'merge' then {'action': 'merge', 'reason': 'lead_merged'}
            when s.differs and s.deleted then {'action': 'update', 'reason': 'deleted_in_stripe'}
            when s.differs then {'action': 'update', 'reason': 'attributes_changed'}
            when s.email_step = 'settling' then {'action': 'wait', 'reason': 'email_settling'}
            when s.email_step = 'in_use' then {'action': 'hold', 'reason': 'email_in_use'}
            when s.email_step = 'taken' then {'action': 'hold', 'reason': 'email_taken'}
            when s.email_step = 'locked' then {'action': 'hold', 'reason': 'email_locked'}
            when s.email_step = 'missing' then {'action': 'hold', 'reason': 'no_email'}
            when s.email_step = 'needs_cio_id' then {'action': 'hold', 'reason': 'email_needs_cio_id'}
            when s.email_step = 'rejected' then {'action': 'rejected', 'reason': 'email_rejected'}
            when s.id_step = 'in_use' then {'action': 'hold', 'reason': 'id_in_use'}
            when s.id_step = 'needs_cio_id' then {'action': 'hold', 'reason': 'id_needs_cio_id'}
            else {'action': 'keep', 'reason': 'unchanged'}
        end as decision,
        j.id as joined_id
    from steps as s
    cross join terms as t
    left join joined_people as j on j.person_id = s.joined
)
select
    d.* exclude (decision),
    d.decision.action as action,
    d.decision.reason as reason,
    case
        when d.decision.reason in ('owner_replaced', 'id_changed') then 'id'
        when d.decision.reason in ('email_removed', 'email_added', 'email_changed') then 'email'
        when d.decision.reason = 'email_swap' then 'no_email'
        when d.decision.action = 'identify' then 'all'
        when d.decision.action = 'update' then 'changes'
    end as sets,
    coalesce(
        case when d.decision.reason in ('email_in_use', 'email_swap') then d.email_holder end,
        case when d.decision.reason = 'id_in_use' then d.id_holder end,
        case when d.decision.reason = 'joined_another_person' then d.joined end,
        case when d.decision.reason = 'owner_replaced' then d.former end
    ) as other
from decided as d
where d.decision.action <> 'keep' or d.decision.reason <> 'unchanged'
