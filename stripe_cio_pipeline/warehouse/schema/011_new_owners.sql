-- Who came to own an email since a plan last noted the owners. A row of nulls says that anybody may have.
create table model.new_owners (
    email_key varchar,
    person_id varchar
);
insert into model.new_owners values (null, null);
