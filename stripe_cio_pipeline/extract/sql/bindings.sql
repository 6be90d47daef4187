-- Which Stripe account this warehouse belongs to.

-- name: has_tables
select count(*)
from information_schema.tables
where table_schema = 'pipeline' and table_name = 'signals';

-- name: bindings
select name, value
from pipeline.bindings
where name like 'stripe.%';
