delete from pipeline.signals
where object = ? and id in (select unnest(?));
