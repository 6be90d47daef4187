-- Events to forward: which of the feed the policy wants, what events.sql makes of them, and data by rule for the rest.

-- name: event_names
create or replace temp table event_names as
select unnest($types::varchar[]) as type, unnest($names::varchar[]) as name

-- name: wanted_types
-- What the policy wants forwarded, by the names that there are: a few are compared with it, and not each event.
create or replace temp table wanted_types as
select distinct type
from stripe.events
where seq > $mark and regexp_full_match(type, $types)

-- name: twins
-- Stripe sometimes makes two Event objects of one change (docs.stripe.com/webhooks, "Handle duplicate events"): with another id,
-- and the same type, object, time and content. The first that arrived stands for both.
create or replace temp table twins as
with arrived as (
    select type, created, object_id
    from stripe.events
    where created >= (select min(created) from stripe.events where seq > $mark)
        and type in (select type from wanted_types)
    group by all
    having count(*) > 1 and max(seq) > $mark
),
alike as (
    select events.id, events.seq, events.type, events.created, events.object_id, events.payload -> '$.data' as content
    from stripe.events as events
    inner join arrived
        on events.type = arrived.type
        and events.created = arrived.created
        and events.object_id is not distinct from arrived.object_id
)
select id
from alike
qualify row_number() over (partition by type, created, object_id, content::varchar order by seq, id) > 1

-- name: wanted_events
create or replace temp view events as
select *
from stripe.events
where seq > $mark
    and type in (select type from wanted_types)
    and id not in (select id from twins)

-- name: events
-- Nulls are left out of the data: in a mail they would print as nothing, and the item has a limit.
select
    given.event_id,
    given.type,
    given.customer_id,
    cast(given.created as bigint) as created,
    coalesce(event_names.name, given.name) as name,
    -- Who paid as a guest is known by an email alone.
    nullif(
        lower(
            trim(
                coalesce(
                    guests.payload ->> '$.data.object.customer_details.email',
                    guests.payload ->> '$.data.object.customer_email',
                    guests.payload ->> '$.data.object.billing_details.email',
                    guests.payload ->> '$.data.object.receipt_email'
                )
            )
        ),
        ''
    ) as guest_email,
    case when given.data is not null then json_merge_patch('{}', cast(given.data as json)) end as data
from events_of_the_model as given
left join event_names on given.type = event_names.type
left join events as guests on given.event_id = guests.id and given.customer_id is null

-- name: data_by_rule
-- Events without data of their own get their object's: flat, under Stripe's names, an inner field as outer_inner. Kept are
-- numbers, truth values, and texts that are a word of Stripe's (a status, a currency), an id, or among those that mails show.
-- Whoever a person is, how they pay beyond the card's last digits, and what opens a door stays here.
update new_events
set data = plain.data
from (
    with leaves as (
        select
            events.id as event_id,
            events.object_type,
            tree.id as place,
            tree.key as key,
            tree.type as kind,
            tree.atom as atom,
            tree.atom ->> '$' as text,
            string_split(substring(tree.fullkey, length('$.data.object.') + 1), '.') as steps,
            array_to_string(steps, '_') as name
        from events, json_tree(events.payload, '$.data.object') as tree
        where events.id in (select event_id from new_events where data is null)
            and tree.atom is not null
            and tree.type <> 'NULL'
            and not contains(tree.fullkey, '[')
            and not contains(tree.fullkey, '"')
    ),
    currencies as (
        select event_id, list({'depth': len(steps), 'steps': steps[:-2], 'currency': lower(text)}) as currencies
        from leaves
        where key = 'currency' and kind = 'VARCHAR'
        group by event_id
    ),
    kept as (
        select
            *,
            kind in ('UBIGINT', 'BIGINT')
            and (
                regexp_matches(key, '(^|_)(amount|total|subtotal|balance|fee|net|cost|price)(_|$)')
                or (key = 'value' and steps[-2] = 'monetary')
            ) as is_money
        from leaves
        where len(steps) <= 4
            and key not in ('object', 'livemode', 'has_more', 'total_count')
            -- Customer.io sends the mail to or from these.
            and name not in ('recipient', 'from_address', 'reply_to')
            and not list_has_any(
                steps,
                [
                    'metadata', 'billing_details', 'shipping', 'shipping_details', 'customer_details', 'customer_shipping',
                    'collected_information', 'owner', 'individual', 'company', 'person', 'dob', 'verified_outputs',
                    'provided_details', 'evidence', 'next_action', 'three_d_secure', 'receiver', 'mandate_data',
                    'payment_method_options', 'custom_text', 'branding_settings', 'transfer_data',
                    -- Their amounts are in another currency than the one beside them.
                    'currency_options', 'currency_conversion', 'presentment_details', 'custom_unit_amount'
                ]
            )
            and not regexp_matches(
                name,
                '(^|_)(secret|token|password|username|fingerprint|address|email|phone|ip|city|country|zip|iban|bic)(_|$)|_name$'
            )
            and (
                kind <> 'VARCHAR'
                or regexp_full_match(text, '[a-z][a-z0-9]*([_-][A-Za-z0-9]+)*')
                and length(text) <= 255
                and key not in ('name', 'value', 'description')
                or key in ('id', 'coupon', 'promotion_code', 'plan', 'price', 'product', 'last4') and length(text) <= 255
                or length(text) <= 1000
                and (
                    key in (
                        'number', 'brand', 'nickname', 'lookup_key', 'message', 'statement_descriptor', 'hosted_invoice_url',
                        'invoice_pdf', 'receipt_url', 'pdf'
                    )
                    or key = 'description' and object_type <> 'customer'
                    or key = 'name' and object_type in ('product', 'coupon', 'plan', 'billing.credit_grant')
                    or key = 'url' and object_type in ('checkout.session', 'payment_link')
                )
            )
    ),
    priced as (
        -- The nearest one: of the object that the amount stands in, or of one around it.
        select
            kept.*,
            case
                when is_money
                    then list_max(
                        list_filter(currencies, lambda each: kept.steps[:len(each.steps)] = each.steps)
                    ).currency
            end as currency
        from kept
        left join currencies on kept.event_id = currencies.event_id
    ),
    fields as (
        select
            event_id,
            name,
            if(is_money, to_json(major(cast(text as bigint), currency))::varchar, atom::varchar) as value,
            len(steps) * 1000000 + place as place
        from priced
        -- An amount of which nobody knows the currency would be shown as a wrong one.
        where not is_money or currency is not null
        union all
        select id, 'changed', to_json(array_to_string(json_keys(payload -> '$.data.previous_attributes'), ', '))::varchar, 0
        from events
        where id in (select event_id from new_events where data is null)
            and len(json_keys(payload -> '$.data.previous_attributes')) > 0
        union all
        select id, 'previous_status', (payload -> '$.data.previous_attributes.status')::varchar, 1
        from events
        where id in (select event_id from new_events where data is null)
            and json_type(payload, '$.data.previous_attributes.status') = 'VARCHAR'
    ),
    first_of_their_name as (
        select *
        from fields
        qualify row_number() over (partition by event_id, name order by place) = 1
    ),
    -- Customer.io takes 32,000 bytes. What stands deepest is left out first.
    that_fit as (
        select *
        from first_of_their_name
        qualify sum(strlen(name) + strlen(value) + 4) over (partition by event_id order by place) < 24000
    )
    select event_id, ('{' || string_agg(to_json(name)::varchar || ':' || value, ',' order by place) || '}')::json as data
    from that_fit
    group by event_id
) as plain
where new_events.event_id = plain.event_id and new_events.data is null

-- name: empty_data
-- What has nothing that may be told is forwarded all the same.
update new_events set data = '{}' where data is null
