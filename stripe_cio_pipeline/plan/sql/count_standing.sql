-- How much of a plan was not answered, told without looking for it.
select
    (select count(*) from customerio.operations where plan_id = $plan_id)
    - (select coalesce(sum(last_position - first_position + 1), 0) from customerio.answers where plan_id = $plan_id)
