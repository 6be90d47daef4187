delete from customerio.rejections
where person_id = $person
