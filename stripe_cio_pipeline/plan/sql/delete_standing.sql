-- What was answered stays.
delete from customerio.operations
where plan_id = $plan_id and position in (select position from standing)
