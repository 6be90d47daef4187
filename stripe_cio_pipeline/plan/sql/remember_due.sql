-- The next plan looks again at whoever waits now, and at whose identifier travelled alone.
delete from customerio.due;

insert into customerio.due (person_id, due_at, reason)
select d.person_id, t.now, d.reason
from decisions as d
cross join terms as t
where d.action = 'wait' or (d.differs and d.sets in ('id', 'email', 'no_email'))
