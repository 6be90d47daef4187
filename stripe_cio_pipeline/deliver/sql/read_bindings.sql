select name, value from pipeline.bindings where name like 'customerio.%'
