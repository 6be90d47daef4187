-- What is to be done about each of them: what differs, who has which identifier, and one decision a person.

-- name: people_attributes
-- Those who are looked at as the model wants them: attributes as one JSON object without nulls. {attributes} and
-- {columns} are filled in by planning, because the columns are the user's own and SQL cannot name "all but these".
create or replace temp view people_attributes as
select
    person_id,
    id,
    lower(email) as email_key,
    _rejected is not null as is_oversize,
    '{{' || substr(concat({attributes}), 2) || '}}' as attributes,
    hash({columns}) as content
from looked_at

-- name: compared
-- Whom Customer.io knows otherwise than the model wants them. Attributes are compared as a hash, so that the ledger's wide
-- column is never joined, and kept only of those who differ.
create or replace temp table compared as
with accepted as (
    select person_id, state, former, id, email_key, hash(attributes::varchar) as attributes_hash
    from ledger
),
paired as (
    select
        d.person_id,
        d.attributes,
        a.state in ('linking', 'linked', 'conflict') and a.attributes_hash <> hash(d.attributes) as differs,
        a.state <> 'linked'
        or a.former is not null
        or d.is_oversize
        or d.email_key is distinct from a.email_key
        or (t.strategy <> 'email' and d.id is distinct from a.id) as is_moving
    from people_attributes as d
    join accepted as a on a.person_id = d.person_id
    cross join terms as t
)
select person_id, differs, case when differs then attributes end as attributes
from paired
where differs or is_moving

-- name: changes
-- Attribute by attribute, what differs between the model and what Customer.io has accepted. Identifiers are decided apart,
-- and what policy leaves is kept: a row without names is one where only these, or the order of the attributes, differ.
-- `kept` is a patch that gives the model's attributes these accepted values, null where they are the same.
create or replace temp table changes as
with compared as (
    select
        p.person_id,
        list_zip(
            $names::varchar[],
            json_extract(l.attributes, $paths::varchar[]),
            json_extract(p.attributes, $paths::varchar[])
        ) as pairs
    from compared as p
    join ledger as l on l.person_id = p.person_id
    where p.differs
),
different as (
    select person_id, list_filter(pairs, lambda pair: pair[2] is distinct from pair[3]) as pairs
    from compared
),
parted as (
    select
        person_id,
        list_filter(pairs, lambda pair: not list_contains($kept::varchar[], pair[1])) as pairs,
        list_filter(pairs, lambda pair: list_contains($kept::varchar[], pair[1])) as kept
    from different
)
select
    person_id,
    list_transform(pairs, lambda pair: pair[1]) as names,
    '{' || array_to_string(
        list_transform(pairs, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[2], 'null')), ','
    ) || '}' as before,
    '{' || array_to_string(
        list_transform(pairs, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[3], 'null')), ','
    ) || '}' as after,
    if(
        len(kept) > 0,
        '{' || array_to_string(
            list_transform(kept, lambda pair: to_json(pair[1]) || ':' || coalesce(pair[2], 'null')), ','
        ) || '}',
        null
    ) as kept
from parted

-- name: no_changes
-- Mostly nobody differs, and to make ready for the comparison takes longer than to look.
create or replace temp table changes (person_id varchar, names varchar[], before varchar, after varchar, kept varchar)

-- name: candidates
-- Those for whom there is something to decide: all others have everything already.
create or replace temp table candidates as
select p.person_id
from looked_at as p
anti join ledger as l on l.person_id = p.person_id
union
select person_id from compared
union
select p.person_id
from looked_at as p
semi join (
    select id from model.customers where deleted
) as c on c.id = p.person_id
where (select on_delete from terms) <> 'keep'
union
select person_id from orphans where person_id not in (select former from successions)

-- name: wanted
-- The candidates as the model wants them, without their attributes.
create or replace temp table wanted as
select
    p.person_id,
    p.id,
    p.email,
    lower(p.email) as email_key,
    p._source_event_id as source_event_id,
    p._rejected is not null as is_oversize,
    c.id is not null as deleted
from looked_at as p
semi join candidates as k on k.person_id = p.person_id
left join (
    select id from model.customers where deleted
) as c on c.id = p.person_id

-- name: addresses
-- Who has which email in Customer.io as far as we know, and which were given up so lately that they may still be taken.
create or replace temp table sought as
select w.email_key
from wanted as w
left join ledger as l on l.person_id = w.person_id
where w.email_key is not null
    and w.email_key is distinct from l.email_key;

create or replace temp table holders as
select lower(trim(l.email)) as email_key, min(coalesce(s.person_id, l.person_id)) as person_id
from customerio.people as l
semi join sought as w on w.email_key = lower(trim(l.email))
left join successions as s on s.former = l.person_id
where l.state in ('linking', 'linked')
group by all;

-- The answers are picked first: mostly there are none so young, and then no operation is read.
create or replace temp table released as
with young as (
    select unnest(range(first_position, last_position + 1)) as position
    from customerio.answers
    where outcome = 'accepted'
        and sent_at > (select now - to_seconds(settle_seconds) from terms)
)
select distinct lower(trim(o.before ->> '$.email')) as email_key
from customerio.operations as o
semi join young as y on y.position = o.position
where (o.before ->> '$.email') is not null

-- name: count_suppressed
select (select count(*) from customerio.suppressed) + (select count(*) from customerio.people where state = 'suppressed')

-- name: suppressed_people
-- Whose email or id belonged to somebody who was suppressed or forgotten: Customer.io ignores it, and so do we.
create or replace temp table suppressed_people as
select w.person_id
from wanted as w
where customerio.keyed_hash(w.email_key) in (select email_hash from customerio.suppressed)
    or w.id in (select id from customerio.people where state = 'suppressed' and id is not null)

-- name: no_suppressed_people
create or replace temp table suppressed_people (person_id varchar)

-- name: id_holders
-- Whose id it is, where two people claim one: who has it in Customer.io, else the older customer id.
create or replace temp table id_holders as
with claims as (
    select p.id, p.person_id, false as held
    from model.people as p
    where p.id in (select id from wanted where id is not null)
    union all
    select l.id, coalesce(s.person_id, l.person_id), true as held
    from customerio.people as l
    left join successions as s on s.former = l.person_id
    where l.id in (select id from wanted where id is not null)
        and l.state in ('linking', 'linked')
)
select id, first(person_id order by not held, person_id) as person_id
from claims
group by id

-- name: no_id_holders
-- An id that is a customer's own is claimed by nobody else.
create or replace temp table id_holders (id varchar, person_id varchar)

-- name: joined_people
-- The people whom others have joined, as the ledger has them.
create or replace temp table joined_people as
select l.person_id, l.state, l.id
from ledger as l
where l.person_id in (select joined from orphans where joined is not null)

-- name: facts
-- All that a decision about one person rests on, a row per candidate.
create or replace temp table facts as
with known as (
    select
        c.person_id,
        w.person_id is not null as modelled,
        w.id,
        w.email,
        w.email_key,
        w.source_event_id,
        w.is_oversize,
        coalesce(w.deleted, o.deleted, false) as deleted,
        l.state,
        l.reason as conflict,
        -- To be linked once more: whatever was accepted before may be there, or not.
        coalesce(l.state = 'linking' and l.reason = 'anew', false) as is_anew,
        l.is_unseen,
        l.former,
        l.id as known_id,
        l.email as known_email,
        l.email_key as known_email_key,
        l.cio_id,
        l.seq as known_seq,
        l.email is null and l.id is not distinct from w.id and l.id is not null as is_first_email,
        o.joined,
        h.person_id as email_holder,
        r.email_key is not null as email_settling,
        i.person_id as id_holder,
        b.person_id is not null as is_suppressed,
        len(x.names) > 0 as differs
    from candidates as c
    left join wanted as w on w.person_id = c.person_id
    left join ledger as l on l.person_id = c.person_id
    left join orphans as o on o.person_id = c.person_id
    left join holders as h on h.email_key = w.email_key and h.person_id <> c.person_id
    left join released as r on r.email_key = w.email_key
    left join id_holders as i on i.id = w.id and i.person_id <> c.person_id
    left join suppressed_people as b on b.person_id = c.person_id
    left join changes as x on x.person_id = c.person_id
)
select
    k.*,
    -- An identifier is changed by cio_id where that is known: it is the only way that every workspace allows. A first
    -- email is given by id, because then a workspace with automatic merging takes in the lead who has it.
    case
        when k.cio_id is not null and not k.is_first_email then 'cio_id'
        when k.known_id is not null then 'id'
        when k.known_email is not null then 'email'
        else 'cio_id'
    end as change_kind,
    case
        when k.cio_id is not null and not k.is_first_email then k.cio_id
        else coalesce(k.known_id, k.known_email, k.cio_id)
    end as change_value,
    case when k.known_id is not null then 'id' when k.known_email is not null then 'email' else 'cio_id' end as kind,
    coalesce(k.known_id, k.known_email, k.cio_id) as value
from known as k

-- name: rings
-- Where everybody waits for the next one's email and the last for the first one's, one has to give theirs up.
create or replace temp table rings as
with recursive blocked as (
    select person_id, email_holder
    from facts
    where state = 'linked'
        and email_holder is not null
        and email_key is distinct from known_email_key
),
walks as (
    select person_id, email_holder as met
    from blocked
    union
    select w.person_id, b.email_holder
    from walks as w
    join blocked as b on b.person_id = w.met
)
select person_id
from walks
group by person_id
having bool_or(met = person_id) and min(met) = person_id

-- name: steps
-- What may be done about the identifiers of people whom Customer.io knows.
create or replace temp view steps as
with options as (
    select
        f.*,
        case
            when f.conflict = 'email_taken' and f.state = 'conflict' and f.email_key is not distinct from f.known_email_key
                then if(t.merge and f.known_id is not null, 'merge', 'taken')
            when f.conflict = 'email_unseen' and f.state = 'conflict' and f.email_key is not distinct from f.known_email_key
                then 'unseen'
            when f.conflict = 'email_locked' and f.state = 'conflict' and f.email_key is not distinct from f.known_email_key
                then if(f.cio_id is not null, 'set', 'locked')
            when f.email_key is not distinct from f.known_email_key then 'same'
            when f.email_key is null and t.strategy = 'email' then 'missing'
            when f.email_key is null then 'set'
            when f.is_suppressed then 'suppressed'
            when f.email_holder is not null then if(g.person_id is not null, 'clear', 'in_use')
            when f.email_settling then 'settling'
            when f.known_id is null and f.cio_id is null and f.known_email is not null then 'needs_cio_id'
            else 'set'
        end as email_step,
        case
            when t.strategy = 'email' or f.id is null or f.id = f.known_id then 'same'
            when f.id_holder is not null then 'in_use'
            when f.known_id is null then 'set'
            when f.cio_id is null then 'needs_cio_id'
            else 'set'
        end as id_step
    from facts as f
    left join rings as g on g.person_id = f.person_id
    cross join terms as t
)
select
    o.* exclude (email_step),
    -- What Customer.io has turned down must not stand in the way of everything else.
    if(r.person_id is not null, 'rejected', o.email_step) as email_step
from options as o
left join (select distinct person_id, payload_hash from customerio.rejections) as r
    on r.person_id = o.person_id
    and r.payload_hash = case
        when o.email_step = 'set'
            then md5(update_operation(o.change_kind, o.change_value, one_attribute('email', o.email)))
    end

-- name: decisions
-- One decision a person: what is done, and why. `sets` says which attributes travel.
create or replace temp table decisions as
with decided as (
    select
        s.*,
        case
            when not s.modelled then
                case
                    when s.is_anew then {'action': 'keep', 'reason': 'not_modelled'}
                    when s.state = 'linking' then {'action': 'wait', 'reason': 'link_settling'}
                    when s.deleted and t.on_delete <> 'keep' and s.state = 'linked'
                        then {'action': t.on_delete, 'reason': 'deleted_in_stripe'}
                    when s.joined is null or s.deleted then {'action': 'keep', 'reason': 'not_modelled'}
                    when t.merge and s.state = 'linked' and j.state = 'linked' and j.id is not null and s.known_id is not null
                        then {'action': 'merge', 'reason': 'joined_another_person'}
                    else {'action': 'hold', 'reason': 'joined_another_person'}
                end
            when s.state in ('deleted', 'suppressed') then {'action': 'keep', 'reason': 'removed_in_customerio'}
            when s.deleted and (s.state is null or (s.is_anew and t.on_delete = 'keep'))
                then {'action': 'keep', 'reason': 'deleted_before_linked'}
            when s.deleted and t.on_delete <> 'keep' then
                case
                    when s.state = 'linking' then {'action': 'wait', 'reason': 'link_settling'}
                    when s.conflict = 'id_refused' and s.state = 'conflict' then {'action': 'hold', 'reason': 'id_refused'}
                    else {'action': t.on_delete, 'reason': 'deleted_in_stripe'}
                end
            when s.is_oversize then {'action': 'hold', 'reason': 'value_too_large'}
            when s.state is null
                or s.is_anew
                or (s.state = 'conflict' and s.conflict = 'id_refused' and s.email_key is distinct from s.known_email_key)
                then
                    case
                        when s.is_suppressed then {'action': 'hold', 'reason': 'suppressed'}
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
            when s.is_unseen then {'action': 'hold', 'reason': 'link_unseen'}
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
            when s.email_step = 'suppressed' then {'action': 'hold', 'reason': 'suppressed'}
            when s.email_step = 'taken' then {'action': 'hold', 'reason': 'email_taken'}
            when s.email_step = 'unseen' then {'action': 'hold', 'reason': 'email_unseen'}
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

-- name: no_decisions
-- Where there are no candidates: what later statements read of a decision.
create or replace temp table decisions (
    person_id varchar,
    modelled boolean,
    id varchar,
    email varchar,
    source_event_id varchar,
    state varchar,
    conflict varchar,
    known_id varchar,
    known_email varchar,
    known_seq bigint,
    is_first_email boolean,
    differs boolean,
    change_kind varchar,
    change_value varchar,
    kind varchar,
    value varchar,
    joined_id varchar,
    action varchar,
    reason varchar,
    sets varchar,
    other varchar
)

-- name: planned_people
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
