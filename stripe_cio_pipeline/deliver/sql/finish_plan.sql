update customerio.plans set delivered_at = ? where plan_id = ? and delivered_at is null
