select day, endpoint, requests
from pipeline.reads
order by day, endpoint;
