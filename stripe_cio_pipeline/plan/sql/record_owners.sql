-- An owner stays one until it is deleted: model.members reads this.
delete from model.owners
where email_key in (select email_key from new_owners);

insert into model.owners (email_key, person_id)
select email_key, person_id from new_owners;

delete from model.new_owners
