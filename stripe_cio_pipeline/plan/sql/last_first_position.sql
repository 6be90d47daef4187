-- Where the last plan begins: each one begins where the one before ended, or later.
select coalesce(max(first_position), 0)
from customerio.plans
