-- All hold until the file is closed.
-- More threads only get in each other's way here: measured, four take twice the processor time of two and no less time.
set threads = 2;
-- JSON of many people is much alike: zstd takes half the time of the default and a fifth of its space.
set force_compression = 'zstd';
-- A plan is read in stretches and the ledger written in groups: more memory would only keep what is read once.
set memory_limit = '{megabytes}MB';
