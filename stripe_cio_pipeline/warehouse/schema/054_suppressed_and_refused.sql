-- What must not be sent, and is not kept either: a hash with a key of this warehouse's own tells it again.

create table customerio.hash_key (key varchar not null);
insert into customerio.hash_key values (sha256(uuid()::varchar || uuid()::varchar));
create macro customerio.keyed_hash(value) as
    sha256((select key from customerio.hash_key) || lower(trim(value)));

-- Emails of people who were suppressed or forgotten, for whoever has them later.
create table customerio.suppressed (
    email_hash varchar not null,
    person_id varchar,
    suppressed_at timestamp not null
);
-- Emails and phones that Customer.io refused: left out of what is sent for that person until they change.
create table customerio.refused_values (
    person_id varchar not null,
    name varchar not null,
    value_hash varchar not null,
    refused_at timestamp not null
);
