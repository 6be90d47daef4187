insert into customerio.operations (plan_id, position, action, person_id, reason)
values ($plan_id, 1, 'suppress', $person_id, 'forgotten')
