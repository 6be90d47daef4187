-- What extraction remembers beside the rows.

-- Events that are stored and whose objects are still to be brought up to date, one row per event and object.
create table pipeline.signals (
    object varchar not null,
    id varchar not null,
    event_id varchar not null,
    created bigint not null,
    kind varchar not null,
    usable boolean not null,
    content_hash varchar not null
);
-- API versions and payload shapes that were met and are not the pinned ones.
create table pipeline.shapes (
    object varchar not null,
    source varchar not null,
    api_version varchar not null,
    verdict varchar not null,
    missing varchar not null,
    payloads bigint not null,
    first_at timestamp not null,
    last_at timestamp not null,
    run_id varchar
);
-- The listing of a reconcile: what Stripe has, by its content.
create table pipeline.listed (
    object varchar not null,
    id varchar not null,
    created bigint,
    content_hash varchar not null,
    finding varchar
);
-- The proof of completeness: counts and content hashes on both sides, by object type and month of `created` (UTC).
create table pipeline.reconciliations (
    run_id varchar not null,
    reconciled_at timestamp not null,
    object varchar not null,
    month varchar not null,
    stripe_rows bigint not null,
    stripe_hash varchar not null,
    before_rows bigint not null,
    before_hash varchar not null,
    after_rows bigint not null,
    after_hash varchar not null,
    missing bigint not null,
    changed bigint not null,
    vanished bigint not null,
    explained bigint not null,
    dry_run boolean not null
);
