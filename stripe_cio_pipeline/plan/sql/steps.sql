-- What may be done about the identifiers of people whom Customer.io knows.
create or replace temp view steps as
with options as (
    select
        f.*,
        case
            when f.conflict = 'email_taken' and f.state = 'conflict' and f.email_key is not distinct from f.known_email_key
                then if(t.merge and f.known_id is not null, 'merge', 'taken')
            when f.conflict = 'email_locked' and f.state = 'conflict' and f.email_key is not distinct from f.known_email_key
                then if(f.cio_id is not null, 'set', 'locked')
            when f.email_key is not distinct from f.known_email_key then 'same'
            when f.email_key is null and t.strategy = 'email' then 'missing'
            when f.email_key is null then 'set'
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
