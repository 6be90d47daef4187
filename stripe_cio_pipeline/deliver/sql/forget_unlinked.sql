delete from customerio.people
where person_id in (select person_id from findings where finding = 'not_linked')
