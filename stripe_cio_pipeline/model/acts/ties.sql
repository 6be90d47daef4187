-- What makes customers one person with those in scope: a person of the last build, or an email that is the same now.
create or replace temp table ties as
select person_id, email_key
from former_members
union
select null as person_id, email_key
from new_emails
