delete from pipeline.listed
where object = ? and id in (select id from arrivals);
