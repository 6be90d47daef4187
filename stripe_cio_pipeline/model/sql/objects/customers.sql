-- One row per Stripe customer. `email` is only trimmed: whether it can be used is decided in members.sql.
with parsed as (
    select
        *,
        from_json(
            payload,
            '{
                "email": "VARCHAR", "name": "VARCHAR", "individual_name": "VARCHAR", "business_name": "VARCHAR",
                "phone": "VARCHAR", "description": "VARCHAR", "currency": "VARCHAR", "balance": "BIGINT",
                "delinquent": "BOOLEAN", "metadata": "JSON",
                "address": {"country": "VARCHAR"},
                "shipping": {"address": {"country": "VARCHAR"}},
                "preferred_locales": ["VARCHAR"],
                "discount": {"coupon": "VARCHAR", "source": {"coupon": "VARCHAR"}},
                "invoice_settings": {
                    "default_payment_method": {
                        "card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}
                    }
                },
                "default_source": {
                    "brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER",
                    "card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}
                }
            }'
        ) as customer
    from customers
),

cleaned as (
    select
        *,
        coalesce(
            customer.invoice_settings.default_payment_method.card,
            customer.default_source.card,
            case
                when customer.default_source.last4 is not null
                    then struct_pack(
                        brand := customer.default_source.brand,
                        last4 := customer.default_source.last4,
                        exp_year := customer.default_source.exp_year,
                        exp_month := customer.default_source.exp_month
                    )
            end
        ) as card
    from parsed
)

select
    id,
    created,
    livemode,
    deleted,
    nullif(trim(customer.email, ' ' || chr(9) || chr(10) || chr(13) || chr(160)), '') as email,
    nullif(trim(coalesce(customer.name, customer.individual_name, customer.business_name)), '') as name,
    nullif(trim(customer.phone), '') as phone,
    nullif(trim(customer.description), '') as description,
    coalesce(customer.address.country, customer.shipping.address.country) as country,
    customer.preferred_locales[1] as "language",
    lower(customer.currency) as currency,
    customer.balance as balance,
    customer.delinquent as delinquent,
    lower(card.brand) as card_brand,
    card.last4 as card_last4,
    card.exp_year as card_exp_year,
    card.exp_month as card_exp_month,
    coalesce(customer.discount.source.coupon, customer.discount.coupon) as discount_coupon,
    customer.metadata as metadata,
    case when deleted then as_of end as deleted_at,
    as_of,
    source_event_id,
    seq
from cleaned
