-- Both hold until the file is closed.
-- A checkpoint rewrites the last row group, whose rows may be a hundred thousand; closing the file makes one anyway.
set wal_autocheckpoint = '64MB';
-- Measured on appends of 8,000 rows: one thread takes as long as four and half the processor time, which parsing needs.
set threads = 1;
