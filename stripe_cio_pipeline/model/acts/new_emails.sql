-- An email that is new stands with a customer who changed.
insert into new_emails
select lower(email) as email_key
from "new customers"
