-- How much from a position on was not answered, told without looking for it.
select
    (select count(*) from customerio.operations where position >= $first)
    - (select coalesce(sum(last_position - first_position + 1), 0) from customerio.answers where first_position >= $first)
