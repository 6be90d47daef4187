select
    if(id is not null, 'id', if(cio_id is not null, 'cio_id', 'email')),
    coalesce(id, cio_id, email)
from customerio.people
where person_id = $person_id and coalesce(id, cio_id, email) is not null
