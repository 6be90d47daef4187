create or replace temp view looked_at as
from model.people;

create or replace temp view known as
from customerio.people
