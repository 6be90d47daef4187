-- What the plan holds, told by what its operations are made of: a sum over the rows, the same in whatever order they are
-- read. It is known before the rows are written, because naming a million rows afterwards would write them twice. What was
-- turned down before is part of it, because that is left out of the plan.
with contents as (
    select hash(d.action, d.person_id, d.reason, p.content) as content
    from decisions as d
    join people_attributes as p on p.person_id = d.person_id
    where d.sets = 'all'
    union all
    select hash(d.action, d.person_id, d.reason, d.kind, d.value, x.after)
    from decisions as d
    join changes as x on x.person_id = d.person_id
    where d.sets = 'changes'
    union all
    select hash(
        d.action, d.person_id, d.reason, d.kind, d.value, d.change_kind, d.change_value, d.id, d.email, d.known_id, d.joined_id
    )
    from decisions as d
    where d.action in ('identify', 'update', 'delete', 'suppress', 'merge', 'hold')
        and (d.sets is null or d.sets not in ('all', 'changes'))
    union all
    select hash(event_id, operation)
    from planned_events
    where is_due
    union all
    select hash(person_id, event_id, payload_hash)
    from customerio.rejections
    where payload_hash is not null
)
select md5(concat_ws(':', $settled::varchar, count(*), sum(content::hugeint), bit_xor(content)))
from contents
