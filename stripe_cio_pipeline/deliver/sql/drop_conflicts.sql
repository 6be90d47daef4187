drop table conflicts
