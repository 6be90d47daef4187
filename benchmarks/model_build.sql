-- An account of $people customers, each with one subscription, one invoice and one charge, in payloads of Stripe's shape and
-- with ids of its length. One customer in twenty shares an email with the one before.
insert into stripe.customers by name
select
    'cus_' || left(md5(n::varchar), 14) as id,
    id as customer_id,
    1600000000 + n as created,
    true as livemode,
    false as deleted,
    json_object(
        'id', id, 'object', 'customer', 'created', created, 'livemode', true,
        'email', 'customer-' || if(n % 20 = 1, n - 1, n) || '@example.com', 'name', 'Customer ' || n,
        'phone', null, 'description', null, 'currency', if(n % 50 = 0, 'jpy', 'usd'), 'balance', if(n % 100 = 0, -500, 0),
        'delinquent', n % 33 = 0, 'default_source', null, 'discount', null, 'invoice_prefix', 'P' || n,
        'next_invoice_sequence', 2, 'preferred_locales', json_array('en'), 'tax_exempt', 'none', 'test_clock', null,
        'metadata', json_object('company', 'Company ' || n % 1000, 'seats', n % 7),
        'address', json_object(
            'city', 'City', 'country', 'US', 'line1', n || ' Street', 'line2', null, 'postal_code', '10000', 'state', 'NY'
        ),
        'shipping', null,
        'invoice_settings', json_object(
            'custom_fields', null, 'footer', null, 'rendering_options', null,
            'default_payment_method', json_object(
                'id', 'pm_' || n, 'object', 'payment_method', 'type', 'card', 'created', created, 'customer', id,
                'card', json_object(
                    'brand', 'visa', 'last4', lpad((n % 10000)::varchar, 4, '0'), 'exp_month', n % 12 + 1,
                    'exp_year', 2028, 'country', 'US', 'funding', 'credit', 'fingerprint', 'F' || n
                )
            )
        )
    ) as payload,
    1700000000 as as_of,
    'list' as source,
    md5(n::varchar) as content_hash,
    1 as seq
from range($people) as numbers (n);

insert into stripe.subscriptions by name
select
    'sub_' || left(md5(n::varchar), 24) as id,
    'cus_' || left(md5(n::varchar), 14) as customer_id,
    1600000100 + n as created,
    true as livemode,
    false as deleted,
    json_object(
        'id', id, 'object', 'subscription', 'customer', customer_id, 'created', created, 'start_date', created,
        'livemode', true, 'currency', if(n % 50 = 0, 'jpy', 'usd'), 'collection_method', 'charge_automatically',
        'status', ['active', 'active', 'active', 'past_due', 'canceled', 'trialing'][n % 6 + 1],
        'billing_cycle_anchor', created, 'cancel_at', null, 'cancel_at_period_end', false,
        'canceled_at', if(n % 6 = 4, created + 5000, null), 'ended_at', if(n % 6 = 4, created + 5000, null),
        'default_payment_method', null, 'latest_invoice', 'in_' || left(md5(n::varchar), 24), 'metadata', json_object(),
        'automatic_tax', json_object('enabled', false, 'disabled_reason', null, 'liability', null),
        'trial_start', null, 'trial_end', if(n % 6 = 5, created + 1209600, null), 'pause_collection', null,
        'billing_mode', json_object('type', 'classic'), 'schedule', null, 'test_clock', null, 'transfer_data', null,
        'payment_settings', json_object('payment_method_types', null, 'save_default_payment_method', 'off'),
        'discounts', if(
            n % 25 = 0,
            json_array(
                json_object(
                    'id', 'di_' || n, 'object', 'discount', 'subscription', id, 'start', created, 'end', null,
                    'source', json_object('type', 'coupon', 'coupon', 'coupon_' || n % 3)
                )
            ),
            json_array()
        ),
        'items', json_object(
            'object', 'list', 'has_more', false,
            'data', json_array(
                json_object(
                    'id', 'si_' || n, 'object', 'subscription_item', 'quantity', n % 5 + 1, 'created', created,
                    'subscription', id, 'metadata', json_object(), 'discounts', json_array(), 'tax_rates', json_array(),
                    'current_period_start', 1700000000, 'current_period_end', 1702592000,
                    'price', json_object(
                        'id', 'price_' || n % 40, 'object', 'price', 'active', true, 'type', 'recurring',
                        'billing_scheme', 'per_unit', 'created', 1600000000, 'currency', if(n % 50 = 0, 'jpy', 'usd'),
                        'product', 'prod_' || n % 10, 'nickname', null, 'lookup_key', null, 'livemode', true,
                        'unit_amount', (n % 40 + 1) * 250, 'unit_amount_decimal', ((n % 40 + 1) * 250)::varchar,
                        'recurring', json_object(
                            'interval', if(n % 3 = 0, 'year', 'month'), 'interval_count', 1, 'usage_type', 'licensed',
                            'meter', null, 'trial_period_days', null
                        ),
                        'tax_behavior', 'unspecified', 'tiers_mode', null, 'transform_quantity', null
                    ),
                    'plan', json_object(
                        'id', 'price_' || n % 40, 'object', 'plan', 'active', true, 'amount', (n % 40 + 1) * 250,
                        'currency', if(n % 50 = 0, 'jpy', 'usd'), 'interval', if(n % 3 = 0, 'year', 'month'),
                        'interval_count', 1, 'product', 'prod_' || n % 10, 'usage_type', 'licensed'
                    )
                )
            )
        )
    ) as payload,
    1700000000 as as_of,
    'list' as source,
    md5(n::varchar) as content_hash,
    1 as seq
from range($people) as numbers (n);

insert into stripe.invoices by name
select
    'in_' || left(md5(n::varchar), 24) as id,
    'cus_' || left(md5(n::varchar), 14) as customer_id,
    1600000200 + n as created,
    true as livemode,
    false as deleted,
    json_object(
        'id', id, 'object', 'invoice', 'customer', customer_id, 'created', created, 'livemode', true,
        'currency', if(n % 50 = 0, 'jpy', 'usd'), 'status', if(n % 33 = 0, 'open', 'paid'), 'number', 'N-' || n,
        'amount_due', 1999, 'amount_paid', if(n % 33 = 0, 0, 1999), 'amount_remaining', if(n % 33 = 0, 1999, 0),
        'total', 1999, 'subtotal', 1999, 'attempt_count', if(n % 33 = 0, 2, 1), 'attempted', true,
        'next_payment_attempt', if(n % 33 = 0, 1700500000, null), 'due_date', null, 'billing_reason', 'subscription_cycle',
        'collection_method', 'charge_automatically', 'hosted_invoice_url', 'https://invoice.example.com/i/' || n,
        'invoice_pdf', 'https://invoice.example.com/i/' || n || '/pdf', 'auto_advance', true, 'metadata', json_object(),
        'parent', json_object(
            'type', 'subscription_details', 'subscription_details', json_object('subscription', 'sub_' || left(md5(n::varchar), 24))
        ),
        'status_transitions', json_object(
            'finalized_at', created, 'paid_at', if(n % 33 = 0, null, created + 60), 'voided_at', null
        ),
        'lines', json_object(
            'object', 'list', 'has_more', false,
            'data', json_array(
                json_object(
                    'id', 'il_' || n, 'object', 'line_item', 'amount', 1999, 'currency', 'usd', 'quantity', 1,
                    'description', '1 × Plan', 'period', json_object('start', created, 'end', created + 2592000),
                    'pricing', json_object('type', 'price_details', 'unit_amount_decimal', '1999')
                )
            )
        )
    ) as payload,
    1700000000 as as_of,
    'list' as source,
    md5(n::varchar) as content_hash,
    1 as seq
from range($people) as numbers (n);

insert into stripe.charges by name
select
    'ch_' || left(md5(n::varchar), 24) as id,
    'cus_' || left(md5(n::varchar), 14) as customer_id,
    1600000260 + n as created,
    true as livemode,
    false as deleted,
    json_object(
        'id', id, 'object', 'charge', 'customer', customer_id, 'created', created, 'livemode', true,
        'currency', if(n % 50 = 0, 'jpy', 'usd'), 'status', if(n % 33 = 0, 'failed', 'succeeded'), 'amount', 1999,
        'amount_captured', if(n % 33 = 0, 0, 1999), 'amount_refunded', if(n % 77 = 0, 500, 0), 'captured', true,
        'paid', n % 33 <> 0, 'disputed', false, 'refunded', false, 'failure_code', null, 'failure_message', null,
        'receipt_url', 'https://pay.example.com/receipts/' || n, 'payment_intent', 'pi_' || n, 'metadata', json_object(),
        'billing_details', json_object('email', null, 'name', 'Customer ' || n, 'phone', null, 'address', null),
        'payment_method_details', json_object(
            'type', 'card',
            'card', json_object(
                'brand', 'visa', 'last4', lpad((n % 10000)::varchar, 4, '0'), 'exp_month', n % 12 + 1, 'exp_year', 2028,
                'country', 'US', 'funding', 'credit', 'network', 'visa', 'three_d_secure', null, 'wallet', null
            )
        ),
        'outcome', json_object('network_status', 'approved_by_network', 'risk_level', 'normal', 'type', 'authorized')
    ) as payload,
    1700000000 as as_of,
    'list' as source,
    md5(n::varchar) as content_hash,
    1 as seq
from range($people) as numbers (n);

insert into stripe.products by name
select
    'prod_' || n as id,
    1600000000 as created,
    true as livemode,
    false as deleted,
    json_object('id', id, 'object', 'product', 'name', 'Product ' || n, 'active', true) as payload,
    1700000000 as as_of,
    'list' as source,
    1 as seq
from range(10) as numbers (n);

insert into stripe.prices by name
select
    'price_' || n as id,
    1600000000 as created,
    true as livemode,
    false as deleted,
    json_object('id', id, 'object', 'price', 'currency', 'usd', 'product', 'prod_' || n % 10, 'active', true) as payload,
    1700000000 as as_of,
    'list' as source,
    1 as seq
from range(40) as numbers (n);

insert into stripe.coupons by name
select
    'coupon_' || n as id,
    1600000000 as created,
    true as livemode,
    false as deleted,
    json_object(
        'id', id, 'object', 'coupon', 'percent_off', (n + 1) * 10.5, 'duration', if(n = 2, 'once', 'forever'), 'name', 'Sale'
    ) as payload,
    1700000000 as as_of,
    'list' as source,
    1 as seq
from range(3) as numbers (n);
