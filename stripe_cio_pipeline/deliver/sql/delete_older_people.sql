delete from customerio.people
where seq < $seq and person_id in (select person_id from known)
