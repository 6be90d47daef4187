-- All hold until the file is closed.
-- Reading and writing down have a thread each already. More only get in each other's way: measured, two need half as much
-- processor time again to write a group.
set threads = 1;
-- JSON of many people is much alike: zstd takes half the time of the default and a fifth of its space.
set force_compression = 'zstd';
-- A plan is read in stretches and the ledger written in groups: more memory would only keep what is read once.
set memory_limit = '{megabytes}MB';
