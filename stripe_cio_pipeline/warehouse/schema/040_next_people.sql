-- What acceptance of the plan's operations brings: rows of customerio.people as they will be, written by planning beside
-- the operations. The next plan empties the table, so that nothing of it is kept as history.
-- `seen_seq` is the `seq` of the row that planning looked at, null where there was none: a row that has moved since is not
-- replaced. `attributes` is null where it is the operation's own `after`.
create table customerio.next_people (
    position bigint not null,
    person_id varchar not null,
    seen_seq bigint,
    state varchar not null,
    id varchar,
    email varchar,
    attributes json,
    reason varchar
);
-- A plan from before this step does not say what acceptance brings. It gives way to one that looks at everybody.
delete from customerio.operations
where position in (select position from customerio.due(0));
delete from customerio.plans
where delivered_at is null;
delete from pipeline.cursors
where name = 'plan.seq';
