select action, count(*) from customerio.plan where plan_id = ? group by action
