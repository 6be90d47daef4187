-- What stored objects name and no list gives. Only rows that were written after `$mark` are looked through.

-- name: newest_row
select greatest(
    (select coalesce(max(seq), 0) from stripe.customers), (select coalesce(max(seq), 0) from stripe.subscriptions)
);

-- name: named_prices
with named as (
    select distinct unnest(json_extract_string(payload, '$.items.data[*].price.id')) as id
    from stripe.subscriptions
    where seq > $mark
)

select id
from named
where
    id is not null
    and id not in (select id from stripe.prices)
    and id not in (select id from pipeline.named where object = 'prices')
order by id;

-- name: named_products
with named as (
    select distinct unnest(json_extract_string(payload, '$.items.data[*].price.product')) as id
    from stripe.subscriptions
    where seq > $mark
)

select id
from named
where
    id is not null
    and id not in (select id from stripe.products)
    and id not in (select id from pipeline.named where object = 'products')
order by id;

-- name: named_coupons
-- A discount keeps the terms of the coupon that it was given with. Each such coupon that is not stored, with somebody who
-- has a discount by it: a subscription, an item of one, or a customer.
with discounts as (
    select
        'subscriptions' as object,
        id as holder,
        null as item,
        unnest(json_extract(payload, '$.discounts[*].source.coupon')) as coupon
    from stripe.subscriptions
    where seq > $mark and contains(cast(payload as varchar), '"object":"coupon"')
    union all
    select
        'subscriptions' as object,
        holder,
        json_extract_string(item, '$.id') as item,
        unnest(json_extract(item, '$.discounts[*].source.coupon')) as coupon
    from (
        select
            id as holder,
            unnest(json_extract(payload, '$.items.data[*]')) as item
        from stripe.subscriptions
        where seq > $mark and contains(cast(payload as varchar), '"object":"coupon"')
    )
    union all
    select
        'customers' as object,
        id as holder,
        null as item,
        json_extract(payload, '$.discount.source.coupon') as coupon
    from stripe.customers
    where seq > $mark and contains(cast(payload as varchar), '"object":"coupon"')
),

named as (
    select
        json_extract_string(coupon, '$.id') as id,
        cast(json_extract_string(coupon, '$.created') as bigint) as created,
        -- A subscription's own discount first: an item's needs one more object.
        min(struct_pack(object := object, item := coalesce(item, ''), holder := holder)) as first
    from discounts
    where json_type(coupon) = 'OBJECT'
    group by all
)

select id, created, first.object, first.holder, nullif(first.item, '')
from named
where
    created is not null
    and (id, created) not in (select (id, created) from stripe.coupons where created is not null)
    and id || '@' || created not in (select id from stripe.coupons)
order by id, created;

-- name: insert_named
insert into pipeline.named (object, id, run_id)
select $object, unnest($ids), $run_id;
