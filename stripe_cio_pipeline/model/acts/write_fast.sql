-- Without these a million people are written in three quarters of the time, and take three times the space. Until
-- `write_small`.
set disabled_compression_methods = 'dict_fsst,fsst,alp,alprd'
