-- Customers whose own objects changed, whose prices, products or coupons did, or whose objects did so before this build.
insert into touched
select id from changed where object = 'customers'
union
select customer_id from model.subscriptions where id in (select id from changed where object = 'subscriptions')
union
select customer_id from model.invoices where id in (select id from changed where object = 'invoices')
union
select customer_id from model.charges where id in (select id from changed where object = 'charges')
union
select customer_id
from model.subscription_items
where product_id in (select id from changed where object = 'products')
    or price_id in (select id from changed where object = 'prices')
union
select customer_id from model.discounts where coupon_id in (select id from changed where object = 'coupons')
union
select id
from model.customers
where discount_coupon is not null
    and expanded_id(discount_coupon) in (select id from changed where object = 'coupons')
