-- Holds until the file is closed. Operations are much alike: zstd writes them in a third of the default's time.
set force_compression = 'zstd'
