-- Without events nobody has to be looked up.
create or replace temp table planned_events (
    event_id varchar,
    person_id varchar,
    created bigint,
    is_due boolean,
    operation varchar
)
