-- The inbox, in SQLite: events that were accepted, each under its id, until they are in the warehouse.

-- name: pragmas
pragma journal_mode = wal;
pragma synchronous = full;
pragma secure_delete = on;
pragma busy_timeout = 10000;

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

-- name: waiting
select id, created, sent_at, body from events where state = 'waiting' order by received_at limit :most

-- name: bodies
select id, body from events where state = 'waiting'

-- name: settle
update events set state = :state, body = null where id = :id and state = 'waiting'

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

-- name: truncate
pragma wal_checkpoint(truncate)

-- name: vacuum
vacuum
