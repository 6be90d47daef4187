-- All hold until the file is closed.
-- A checkpoint rewrites the last row group, whose rows may be a hundred thousand; closing the file makes one anyway.
set wal_autocheckpoint = '64MB';
-- Payloads are much alike: zstd takes two thirds of the default's processor time and a quarter of its space.
set force_compression = 'zstd';
-- Measured on appends of 8,000 rows: one thread takes as long as four and half the processor time, which parsing needs.
set threads = 1;
-- A page is written once and not read again. More memory would only keep blocks of the last row group, 200 MB of them;
-- settings_for_wide_rows gives it back.
set variable usual_memory = current_setting('memory_limit');
set memory_limit = '96MB';
