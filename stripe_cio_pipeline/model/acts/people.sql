-- Writing members and people: only those that differ, in one go or in parts.

-- name: compare_members
-- Customers whose row differs from the one that stands there: as they are now, and who they were. Those who are no customers
-- any more have no columns of now. Who only has another reason is where they were.
create or replace temp table compared_members as
select
    members.* exclude (content, place),
    former.customer_id as former_id,
    former.person_id as former_person_id,
    members.place is distinct from former.place as is_moved
from (
    select *, hash(*columns(*)) as content, hash(person_id, role, email_key) as place
    from members_of_the_model
) as members
full join (
    select customer_id, person_id, hash(*columns(*)) as content, hash(person_id, role, email_key) as place
    from model.members
) as former on members.customer_id = former.customer_id
where members.content is distinct from former.content

-- name: moved_people
-- People whose customers are not those they were: a plan looks at them, whatever their attributes say.
create or replace temp table moved_people as
select person_id from compared_members where is_moved and person_id is not null
union
select former_person_id from compared_members where is_moved and former_person_id is not null

-- name: move_members
delete from model.members where customer_id in (select former_id from compared_members);
insert into model.members
select * exclude (former_id, former_person_id, is_moved) from compared_members where customer_id is not null

-- name: moved_owners
-- Those of whom the plan has to note that they own an email.
insert into model.new_owners
select email_key, person_id
from compared_members
where role = 'owner' and email_key is not null and is_moved

-- name: bookkept_people
-- The model's people with what we keep beside their attributes. The hash covers all that a plan goes by: with the same hash,
-- nothing about a person has to be looked at again.
select
    people.*,
    $seq::bigint as _seq,
    newest_events.newest.source_event_id as _source_event_id,
    null::varchar as _rejected,
    hash(
        $names,
        newest_events.newest.source_event_id,
        people.person_id in (select id from customers where deleted)
    ) as _hash
from (
    select $attributes
    from (
people_of_the_model) as people
) as people
left join newest_events on people.person_id = newest_events.person_id

-- name: compare_people
-- Everybody as the model has them now, beside who stands in model.people. `news` is the row, in a list, where another one
-- stands there: whole rows are kept of those alone, because writing a million takes as long as computing them.
create or replace temp table compared_people as
select
    people.person_id,
    former.person_id as former_id,
    people._seq is not null as is_computed,
    case
        when people._seq is not null
            and (
                people._hash is distinct from former._hash
                or people.person_id in (select person_id from moved_people)
            )
            then [people]
    end as news
from people_of_the_model as people
full join (select person_id, _hash from model.people) as former on people.person_id = former.person_id

-- name: differing_people
-- The rows to be written, and whose rows they replace: those of people who are none any more too.
create or replace temp table new_people as
select unnest(row)
from (
    select unnest(news) as row
    from compared_people
    where news is not null
);

create or replace temp table former_people as
select former_id as person_id
from compared_people
where news is not null or not is_computed

-- name: replace_members
delete from model.members where rowid in (select number from former_members);
insert into model.members from temp.members

-- name: replace_people
delete from model.people
where person_id in (select person_id from former_people union select person_id from new_people);

insert into model.people from new_people;

insert into model.former_people
select person_id from former_people where person_id not in (select person_id from new_people where person_id is not null)

-- name: create_astray
-- Customers whose own hash puts them into this part and their person's does not, or the other way round.
create or replace temp table astray as
select customer_id
from model.members
where (hash(customer_id) % $parts = $part) <> (hash(person_id) % $parts = $part)

-- name: repeated_person
select person_id, count(*)
from model.people
group by person_id
having count(*) > 1
limit 1

-- name: former_people
-- People that the customers in scope were when they were modelled last.
create or replace temp table former_people as
select distinct person_id
from former_members
where person_id is not null

-- name: record_former_people
insert into model.former_people
select person_id
from former_people
where person_id not in (select person_id from model.people where person_id is not null)

-- name: all_former_people
-- Who stood in model.people before it was written anew.
create or replace temp table former_people as
select person_id from model.people

-- name: new_owners
-- A plan notes them: it need not look for them among everybody.
insert into model.new_owners
select email_key, person_id
from temp.members
where role = 'owner' and email_key is not null
except
select email_key, person_id
from former_members
where role = 'owner'

-- name: any_owner
-- Everybody was written anew: anybody may own another email than before.
insert into model.new_owners values (null, null)
