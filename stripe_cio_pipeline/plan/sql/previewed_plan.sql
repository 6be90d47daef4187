create or replace temp table previewed_plan as
from customerio.plan
limit 0
