-- What became of a plan's items: `outcome` is null for those without an answer. Answers are joined by their number, for
-- one counts for very many items.
with stretches as (
    select rowid as answer, first_position, last_position
    from customerio.answers
    where plan_id = $plan_id
),
answered as (
    select answer, unnest(range(first_position, last_position + 1)) as position
    from stretches
),
counted as (
    select operations.action, answered.answer, count(*) as items
    from customerio.operations as operations
    left join answered on answered.position = operations.position
    where operations.position >= $first and operations.plan_id = $plan_id
    group by all
)
select
    counted.action,
    answers.outcome,
    if(answers.outcome = 'rejected', split_part(answers.detail, ':', 1), null) as reason,
    coalesce(answers.run_id = $run_id, false) as is_of_run,
    sum(counted.items)::bigint as items
from counted
left join customerio.answers as answers on answers.rowid = counted.answer
group by all
