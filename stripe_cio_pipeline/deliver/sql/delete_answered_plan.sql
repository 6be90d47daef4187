delete from customerio.plan
where plan_id = $plan_id and position between $first and $last and position in (select position from answered_items)
