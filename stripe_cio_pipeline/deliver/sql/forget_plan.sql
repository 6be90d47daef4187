delete from customerio.operations
where position in (select position from customerio.due(0) where person_id = $person_id)
