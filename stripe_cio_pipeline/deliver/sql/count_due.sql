select count(*) from customerio.plan where plan_id = ? and action <> 'hold'
