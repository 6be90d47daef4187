-- A plan of {people} people who are linked for the first time, with a dozen attributes each, as planning writes it.
set force_compression = 'zstd';

insert into customerio.plans (plan_id, run_id, first_position, planned_at, counts, guard)
values ('benchmark', 'benchmark', 1, now()::timestamp, '{{}}', '{{"stopped": false, "findings": []}}');

insert into customerio.operations (plan_id, position, action, person_id, reason, heading, before, after)
with people as (
    select
        i,
        'customer-' || i || '@example.com' as email,
        to_json(struct_pack(
            id := 'cus_' || lpad(i::varchar, 14, '0'),
            email := 'customer-' || i || '@example.com',
            name := 'Customer ' || i,
            created_at := 1600000000 + i,
            country := ['DE', 'US', 'FR', 'GB'][i % 4 + 1],
            currency := 'usd',
            plan := 'Pro',
            subscription_status := 'active',
            quantity := 1 + i % 7,
            mrr := (49 * (1 + i % 7))::decimal(18, 2),
            lifetime_value := (490 * (1 + i % 7))::decimal(18, 2),
            delinquent := false
        ))::varchar as attributes
    from range(1, {people} + 1) as numbers (i)
),
worded as (
    select
        *,
        '{{"type":"person","identifiers":{{"email":"' || email || '"}},"action":"identify","attributes":{{' as heading
    from people
)
select
    'benchmark', i, 'identify', 'cus_' || lpad(i::varchar, 14, '0'), 'linked_by_email', heading, '{{}}', attributes
from worded
;

insert into customerio.next_people (position, person_id, state, id, email)
select
    position, person_id, 'linking', person_id, after ->> '$.email'
from customerio.operations
