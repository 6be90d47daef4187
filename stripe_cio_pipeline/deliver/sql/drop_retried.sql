drop table retried
