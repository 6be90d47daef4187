-- How far the model has looked, and the hash of each file that it was built with: all at once, because there are many.
select name, value
from pipeline.cursors
where starts_with(name, 'model.')
