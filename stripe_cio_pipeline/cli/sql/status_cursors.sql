select name, value, moved_at
from pipeline.cursors
order by name
