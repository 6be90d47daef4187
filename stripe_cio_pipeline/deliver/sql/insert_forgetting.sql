insert into customerio.operations (plan_id, position, action, person_id, reason)
values ($plan_id, $position, 'suppress', $person_id, 'forgotten')
