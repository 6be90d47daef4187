select count(*) > 0
from approved_rows
where plan_id = $plan_id
