select name from pipeline.migrations order by name
