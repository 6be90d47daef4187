select object, count(distinct id)
from pipeline.signals
group by object;
