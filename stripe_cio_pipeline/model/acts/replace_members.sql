delete from model.members where rowid in (select number from former_members);
insert into model.members from temp.members
