-- Emails of people who paid as guests, and who has them in Customer.io: filled by delivery where the policy sends a guest's events.
-- `looked_at` is null where nobody has looked yet; `cio_id` is null where nobody was found.
create table customerio.guests (
    email_key varchar not null,
    cio_id varchar,
    looked_at timestamp
);
