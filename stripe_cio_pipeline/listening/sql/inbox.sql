-- The inbox, in SQLite: events that were accepted, each under its id, until they are in the warehouse.

-- name: pragmas
pragma journal_mode = wal;
pragma synchronous = full;
pragma secure_delete = on;

-- name: create
create table if not exists events (
    id text primary key,
    type text not null,
    created integer not null,
    account text,
    livemode integer,
    state text not null,
    sent_at integer not null,
    received_at real not null,
    body blob
);
create index if not exists waiting on events (received_at) where state = 'waiting';
create table if not exists door (name text primary key, value text not null);
pragma user_version = 1;

-- name: create_rounds
-- What each minute's rounds have sent, and when what an event brought about was sent. Since version 2.
alter table events add column sent_on_at real;
create index arrived on events (received_at);
create index sent_on on events (sent_on_at) where sent_on_at is not null;
create table sent (minute integer primary key, people integer not null, events integer not null);
pragma user_version = 2;

-- name: version
pragma user_version

-- name: insert
insert into events (id, type, created, account, livemode, state, sent_at, received_at, body)
values (:id, :type, :created, :account, :livemode, :state, :sent_at, :received_at, :body)
on conflict (id) do nothing

-- name: knock
insert into door (name, value) values ('knocked_at', :value)
on conflict (name) do update set value = excluded.value

-- name: size
select count(*), coalesce(sum(length(body)), 0), min(received_at) from events where state = 'waiting'

-- name: backlog
select count(*), min(received_at) from events where state = 'waiting'

-- name: waiting
select id, created, sent_at, body from events where state = 'waiting' order by received_at limit :most

-- name: bodies
select id, body from events where state = 'waiting'

-- name: settle
update events set state = :state, body = null where id = :id and state = 'waiting'

-- name: send_on
update events set sent_on_at = :at where id = :id and sent_on_at is null

-- name: count_sent
insert into sent (minute, people, events) values (:minute, :people, :events)
on conflict (minute) do update set people = people + excluded.people, events = events + excluded.events

-- name: received_between
select count(*), count(*) filter (where state in ('elsewhere', 'thin'))
from events
where received_at >= :since and received_at < :until

-- name: sent_between
select coalesce(sum(people), 0), coalesce(sum(events), 0)
from sent
where minute >= :since and minute < :until

-- name: lags_between
select max(0.0, sent_on_at - created)
from events
where sent_on_at >= :since and sent_on_at < :until
order by 1

-- name: elsewhere
select state, account, livemode, count(*), max(received_at)
from events
where state in ('elsewhere', 'thin')
group by state, account, livemode
order by count(*) desc

-- name: newest
select max(received_at), count(*) from events where state in ('waiting', 'taken')

-- name: forget_old
delete from events where state <> 'waiting' and received_at < :before

-- name: forget_old_minutes
delete from sent where minute < :before

-- name: truncate
pragma wal_checkpoint(truncate)

-- name: vacuum
vacuum
