drop table answered
