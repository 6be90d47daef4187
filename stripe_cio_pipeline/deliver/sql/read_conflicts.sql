select person_id, reason from conflicts order by person_id
