drop table touched
