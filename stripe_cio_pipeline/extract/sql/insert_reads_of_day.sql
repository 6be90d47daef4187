insert into pipeline.reads (day, endpoint, requests)
values (?, ?, ?);
