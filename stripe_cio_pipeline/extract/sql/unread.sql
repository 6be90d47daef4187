-- Single objects that cannot be read by id.

-- name: held_back
select id, error, what, tries, next_at
from pipeline.unread
where object = $object and next_at > $now
order by id;

-- name: tries_of_unread
select id, tries
from pipeline.unread
where object = ? and id in (select id from arrivals);

-- name: delete_unread
delete from pipeline.unread
where object = ? and id in (select id from arrivals);

-- name: signals_due
-- What is held back is no reason for a run.
select signals.object, count(distinct signals.id)
from pipeline.signals as signals
where
    not exists (
        select 1
        from pipeline.unread as unread
        where unread.object = signals.object and unread.id = signals.id and unread.next_at > $now
    )
group by signals.object;
