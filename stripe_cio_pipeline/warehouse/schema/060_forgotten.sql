-- Stripe objects of people who were forgotten: whatever Stripe gives of them later is emptied before it is stored.
create table pipeline.forgotten (
    id varchar not null,
    person_id varchar not null,
    forgotten_at timestamp not null
);
