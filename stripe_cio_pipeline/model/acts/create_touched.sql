create or replace temp table touched (customer_id varchar);
create or replace temp table new_emails (email_key varchar)
