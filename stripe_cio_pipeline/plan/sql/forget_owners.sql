-- What is left of a person who was removed is the proof alone.
delete from model.owners
where person_id in (select person_id from customerio.people where state in ('deleted', 'suppressed'))
