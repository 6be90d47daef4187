-- Positions count on from here: whatever stood beyond it has given way.
select coalesce(max(last_position), 0)
from customerio.answers
