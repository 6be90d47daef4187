-- Everybody was written anew: anybody may own another email than before.
insert into model.new_owners values (null, null)
