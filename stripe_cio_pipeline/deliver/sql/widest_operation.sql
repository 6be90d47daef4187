select coalesce(max(strlen(operation)), 0) from customerio.plan where plan_id = ?
