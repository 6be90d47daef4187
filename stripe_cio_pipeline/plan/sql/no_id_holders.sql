-- An id that is a customer's own is claimed by nobody else.
create or replace temp table id_holders (id varchar, person_id varchar)
