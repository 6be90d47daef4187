-- Objects that could not be read by id, though others of their type could: each is tried again, at growing distances.
create table pipeline.unread (
    object varchar not null,
    id varchar not null,
    error varchar not null,
    what varchar not null,
    tries integer not null,
    next_at timestamp not null,
    run_id varchar
);
