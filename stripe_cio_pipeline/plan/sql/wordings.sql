create or replace temp table wordings as
select unnest($reasons::varchar[]) as reason, unnest($sentences::varchar[]) as sentence
