-- By customer, by event, by Customer.io's id, by email; the model's answer before the ledger's.
with named as (
    select person_id, 1 as place from model.members where customer_id = $name
    union all
    select person_id, 2 from customerio.people where person_id = $name or id = $name or cio_id = $name
    union all
    select members.person_id, 3
    from stripe.events as events
    inner join model.members as members on members.customer_id = events.customer_id
    where events.id = $name
    union all
    select person_id, 4 from customerio.events where event_id = $name
    union all
    select person_id, 5 from model.members where email_key = lower($name) and role = 'owner'
    union all
    select person_id, 6 from customerio.people where lower(trim(email)) = lower($name)
    union all
    select person_id, 7 from customerio.writes where person_id = $name
)
select person_id from named where person_id is not null order by place limit 1
