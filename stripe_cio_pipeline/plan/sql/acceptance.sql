-- What the ledger's rows become once Customer.io has accepted the plan.

-- name: delete_next_people
-- Of the last plan: what was accepted stands in the ledger, and what was not gives way.
delete from customerio.next_people

-- name: insert_next_people
-- By action and by what travels (`sets`): who is linked or created has the operation's own attributes; who changes has those
-- of the model, and state and identifiers as they were. A conflict lasts until an identifier is set again.
insert into customerio.next_people (position, person_id, seen_seq, state, id, email, attributes, reason)
with sent as (
    select
        d.person_id,
        d.action,
        d.reason,
        d.sets,
        d.known_seq,
        d.state,
        d.conflict,
        d.id,
        d.email,
        d.known_id,
        d.known_email,
        -- A first email may have Customer.io merge a lead in, and then the internal id is the lead's: it is looked at again.
        d.sets = 'email' and d.is_first_email and t.links_are_seen as may_merge,
        $start + d.rowid - f.first + 1 as position,
        d.action in ('delete', 'suppress') or d.reason = 'joined_another_person' as is_removed
    from decisions as d
    cross join (select min(rowid) as first from decisions) as f
    cross join terms as t
    where d.action in ('identify', 'update', 'delete', 'suppress', 'merge')
),
identified as (
    select
        *,
        case
            when sets = 'id' then one_attribute('id', id)
            when sets = 'email' then one_attribute('email', email)
            when sets = 'no_email' then one_attribute('email', null)
            -- The person keeps the former email until the new one is set: not known to us, and not none.
            when reason = 'lead_merged' then one_attribute('email', '')
        end as identifier
    from sent
    where sets in ('id', 'email', 'no_email') or action = 'merge'
),
becoming as (
    select position, person_id, known_seq, 'linking' as state, id, email, null as attributes, null as reason
    from sent
    where sets = 'all'
    union all
    select
        s.position,
        s.person_id,
        s.known_seq,
        s.state,
        s.known_id,
        s.known_email,
        if(x.kept is null, c.attributes, json_merge_patch(c.attributes, x.kept)),
        s.conflict
    from sent as s
    join changes as x on x.person_id = s.person_id
    join compared as c on c.person_id = s.person_id
    where s.sets = 'changes'
    union all
    select
        i.position,
        i.person_id,
        i.known_seq,
        if(i.action = 'update' and not i.may_merge, 'linked', 'linking'),
        if(i.sets = 'id', i.id, i.known_id),
        if(i.sets = 'id', i.known_email, i.identifier ->> '$.email'),
        json_merge_patch(coalesce(l.attributes, '{}'), i.identifier),
        null
    from identified as i
    join ledger as l on l.person_id = i.person_id
    where not i.is_removed
    union all
    select position, person_id, known_seq, if(action = 'suppress', 'suppressed', 'deleted'), known_id, null, '{}', null
    from sent
    where is_removed
)
from becoming
-- What was turned down before is not in the plan.
where position in (select position from customerio.operations where position > $start)
