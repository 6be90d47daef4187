-- Holds until the file is closed. What wide rows need is not known beforehand, and too little would fail the commit.
-- (Not RESET: in DuckDB 1.5 it shows the former limit and goes on with the present one.)
set memory_limit = coalesce(getvariable('usual_memory'), current_setting('memory_limit'));
