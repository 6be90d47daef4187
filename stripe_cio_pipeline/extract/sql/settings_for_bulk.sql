-- All hold until the file is closed.
-- A checkpoint rewrites the last row group, whose rows may be a hundred thousand; closing the file makes one anyway.
set wal_autocheckpoint = '64MB';
-- Payloads are much alike: zstd takes two thirds of the default's processor time and a quarter of its space.
set force_compression = 'zstd';
-- Measured on appends of 8,000 rows: one thread takes as long as four and half the processor time, which parsing needs.
set threads = 1;
