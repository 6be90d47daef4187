-- What was answered stays.
delete from customerio.operations
where position >= $first and position in (select position from standing)
