create or replace temp table touched (customer_id varchar)
