-- Everything that the pipeline remembers. No keys and no indexes: rows are replaced by delete and insert in one
-- transaction, which DuckDB, DuckLake and MotherDuck all do fast (docs/architecture.md).
-- `created` and `as_of` are Stripe's unix seconds. Columns ending in `_at` are timestamps in UTC by this machine's clock.
-- `seq` is the number of the transaction that wrote the row: what changed since a reader's last look is `seq > mark`.

create schema if not exists stripe;
create schema if not exists model;
create schema if not exists customerio;

-- One table per Stripe object type, all of one form.
create table stripe.customers (
    id varchar not null,
    customer_id varchar,
    created bigint,
    livemode boolean,
    deleted boolean not null,
    payload json,
    as_of bigint not null,
    source varchar not null,
    source_event_id varchar,
    run_id varchar,
    content_hash varchar,
    seq bigint not null
);
create table stripe.subscriptions as from stripe.customers limit 0;
create table stripe.invoices as from stripe.customers limit 0;
create table stripe.charges as from stripe.customers limit 0;
create table stripe.products as from stripe.customers limit 0;
create table stripe.prices as from stripe.customers limit 0;
create table stripe.coupons as from stripe.customers limit 0;

-- The feed of changes, as received. Never rewritten.
create table stripe.events (
    id varchar not null,
    type varchar not null,
    object_type varchar,
    object_id varchar,
    customer_id varchar,
    created bigint,
    livemode boolean,
    deleted boolean not null,
    api_version varchar,
    payload json,
    as_of bigint not null,
    source varchar not null,
    source_event_id varchar,
    run_id varchar,
    content_hash varchar,
    seq bigint not null
);

-- Named positions: event watermark, history marks, what was modelled last, the transaction counter.
create table pipeline.cursors (
    name varchar not null,
    value varchar not null,
    moved_at timestamp not null,
    run_id varchar
);
-- History still to be listed: half-open spans of `created` with the last id read in each.
create table pipeline.slices (
    object varchar not null,
    created_from bigint not null,
    created_before bigint not null,
    starting_after varchar,
    finished boolean not null,
    rows_read bigint not null,
    run_id varchar
);
-- Which account and workspace this warehouse belongs to.
create table pipeline.bindings (
    name varchar not null,
    value varchar not null,
    bound_at timestamp not null
);
create table pipeline.runs (
    run_id varchar not null,
    kind varchar not null,
    started_at timestamp not null,
    finished_at timestamp,
    outcome varchar,
    summary json
);
-- GET requests by day of Stripe's clock: the read allocation is counted over 30 days.
create table pipeline.reads (
    day date not null,
    endpoint varchar not null,
    requests bigint not null
);

-- The ledger: what Customer.io has accepted, person by person.
create table customerio.people (
    person_id varchar not null,
    state varchar not null,
    id varchar,
    email varchar,
    cio_id varchar,
    attributes json,
    linked_at timestamp,
    accepted_at timestamp,
    reason varchar,
    run_id varchar,
    seq bigint not null
);
create table customerio.events (
    event_id varchar not null,
    ulid varchar,
    person_id varchar,
    name varchar,
    created bigint,
    state varchar not null,
    accepted_at timestamp,
    reason varchar,
    request_id varchar,
    run_id varchar
);
-- What was planned: one operation a row, in the order of sending. A plan that was not delivered gives way to the next;
-- what was answered stays as it was sent, because a copy of it would cost more than everything else that delivery
-- writes down. An operation is `operation`, or `heading` and then what follows the first brace of `after`.
-- `position` counts on from plan to plan: what is asked of the last one leaves all earlier ones unread.
create table customerio.operations (
    plan_id varchar not null,
    position bigint not null,
    action varchar not null,
    person_id varchar,
    event_id varchar,
    reason varchar not null,
    explanation varchar,
    heading varchar,
    operation varchar,
    before json,
    after json,
    source_event_id varchar
);
create table customerio.plans (
    plan_id varchar not null,
    run_id varchar,
    first_position bigint,
    planned_at timestamp not null,
    counts json not null,
    guard json,
    approved_at timestamp,
    delivered_at timestamp
);
create table customerio.rejections (
    action varchar not null,
    person_id varchar,
    event_id varchar,
    reason varchar not null,
    field varchar,
    message varchar,
    payload_hash varchar,
    first_at timestamp not null,
    last_at timestamp not null,
    attempts bigint not null,
    run_id varchar
);
create table customerio.requests (
    request_id varchar not null,
    sent_at timestamp not null,
    endpoint varchar not null,
    items bigint not null,
    bytes bigint not null,
    status integer,
    seconds double not null,
    attempt integer not null,
    plan_id varchar,
    run_id varchar
);
-- What Customer.io said: a row per stretch of positions that one call settled in the same way.
create table customerio.answers (
    plan_id varchar not null,
    first_position bigint not null,
    last_position bigint not null,
    sent_at timestamp not null,
    outcome varchar not null,
    detail varchar,
    request_id varchar,
    run_id varchar
);
-- The same, a row per item.
create view customerio.outcomes as
select
    plan_id,
    unnest(range(first_position, last_position + 1)) as position,
    sent_at,
    outcome,
    detail,
    request_id,
    run_id
from customerio.answers;
-- What stands between two positions and was not answered yet.
create macro customerio.due(first, after_last := 9223372036854775807) as table
select o.*
from customerio.operations as o
anti join (
    select unnest(range(first_position, last_position + 1)) as position
    from customerio.answers
    where last_position >= first and first_position < after_last
) as a on a.position = o.position
where o.position >= first and o.position < after_last;
-- Everything that was ever planned and not given up, with the text of its operation and the hash of that.
create view customerio.planned as
select *, md5(operation) as payload_hash
from (
    select
        * exclude (heading, operation, before, after, source_event_id),
        coalesce(operation, heading || substring(after, 2) || '}') as operation,
        before,
        after,
        source_event_id
    from customerio.operations
);
-- The plan that is next to be delivered: what was not answered yet.
create view customerio.plan as
select p.*
from customerio.planned as p
anti join customerio.outcomes as a on a.position = p.position;
-- Every write and its outcome: what `explain` reads.
create view customerio.writes as
select
    a.sent_at,
    o.action,
    o.person_id,
    o.event_id,
    o.reason,
    o.before,
    o.after,
    o.source_event_id,
    a.outcome,
    a.detail,
    a.request_id,
    a.plan_id,
    a.run_id
from customerio.outcomes as a
inner join customerio.operations as o on o.position = a.position;
