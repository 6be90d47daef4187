select count(*)
from information_schema.tables
where table_schema = 'pipeline' and table_name = 'signals';
