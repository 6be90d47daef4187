select count(*) from retried
