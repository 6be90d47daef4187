select id, finding
from pipeline.listed
where object = ? and finding is not null;
