-- What delivery remembers beside the ledger.

-- What a rejected operation was about: `identifier` (it travels alone), `attributes`, `removal` or `event`. A person may
-- have one rejection of each, and what Customer.io takes later clears only its own.
alter table customerio.rejections add column scope varchar;

-- What the user was last told about each subject of alarm, so that only a change is told again.
create table pipeline.alerts (
    subject varchar not null,
    state varchar not null,
    detail varchar,
    since timestamp not null,
    told_at timestamp,
    run_id varchar
);
-- What reading back from Customer.io has found, a row per look and finding.
create table customerio.verifications (
    run_id varchar not null,
    verified_at timestamp not null,
    person_id varchar,
    finding varchar not null,
    field varchar,
    detail varchar
);
