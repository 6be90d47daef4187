-- Customers who changed, and those whose prices, products or coupons did. A union of lookups, because `or` reads every row.
-- To whom other changed objects belonged is told when these are replaced.
insert into touched
select id from changed where object = 'customers'
union
select customer_id from model.subscription_items where product_id in (select id from changed where object = 'products')
union
select customer_id from model.subscription_items where price_id in (select id from changed where object = 'prices')
union
select customer_id from model.discounts where coupon_id in (select id from changed where object = 'coupons')
union
select id
from model.customers
where discount_coupon is not null
    and expanded_id(discount_coupon) in (select id from changed where object = 'coupons')
