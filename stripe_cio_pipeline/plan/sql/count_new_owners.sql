-- How many owners of emails may be new, and whether anybody may be.
select count(*) as owners, coalesce(bool_or(email_key is null), false) as are_any
from model.new_owners
