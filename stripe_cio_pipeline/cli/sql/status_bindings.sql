select name, value
from pipeline.bindings
order by name
