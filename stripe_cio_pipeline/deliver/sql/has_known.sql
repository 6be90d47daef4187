select 1 from known limit 1
