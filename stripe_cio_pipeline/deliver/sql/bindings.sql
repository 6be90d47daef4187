-- Which Customer.io workspace this warehouse belongs to.

-- name: read_bindings
select name, value from pipeline.bindings where name like 'customerio.%'
