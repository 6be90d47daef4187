create or replace temp table previewed_operations as
from customerio.operations
limit 0
