drop view answered;
drop table answered_items;
drop table answered_batches;
drop table refused_items;
