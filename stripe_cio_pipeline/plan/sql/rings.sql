-- Where everybody waits for the next one's email and the last for the first one's, one has to give theirs up.
create or replace temp table rings as
with recursive blocked as (
    select person_id, email_holder
    from facts
    where state = 'linked'
        and email_holder is not null
        and email_key is distinct from known_email_key
),
walks as (
    select person_id, email_holder as met
    from blocked
    union
    select w.person_id, b.email_holder
    from walks as w
    join blocked as b on b.person_id = w.met
)
select person_id
from walks
group by person_id
having bool_or(met = person_id) and min(met) = person_id
