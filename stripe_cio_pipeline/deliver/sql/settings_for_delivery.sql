-- All hold until the file is closed.
-- Reading and writing down have a thread each already. More only get in each other's way: measured, two need half as much
-- processor time again to write a group.
set threads = 1;
-- JSON of many people is much alike: zstd takes half the time of the default and a fifth of its space.
set force_compression = 'zstd';
-- A plan is read in stretches and the ledger written in groups: more memory would only keep what is read once.
set memory_limit = '{megabytes}MB';
-- Whoever closes the file would bring a plan's remaining rows closer together each time that a group of them is gone, which
-- writes the plan anew as often as there are groups: a fifth of all processor time. Groups that are empty go all the same.
set max_vacuum_tasks = 0;
