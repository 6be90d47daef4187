-- Who has which email in Customer.io as far as we know, and which were given up so lately that they may still be taken.
create or replace temp table holders as
select l.email_key, min(l.person_id) as person_id
from ledger as l
semi join (
    select email_key from wanted where email_key is not null
) as w on w.email_key = l.email_key
where l.state in ('linking', 'linked')
group by l.email_key;

create or replace temp table released as
select distinct lower(trim(w.before ->> '$.email')) as email_key
from customerio.writes as w
where w.sent_at > (select now - to_seconds(settle_seconds) from terms)
    and w.outcome = 'accepted'
    and (w.before ->> '$.email') is not null
