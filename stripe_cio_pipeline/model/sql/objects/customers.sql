-- One row per Stripe customer. `email` is only trimmed: whether it can be used is decided in members.sql. `default_method` is the
-- id of what is charged by default, and `card` that card: of nulls where it is none, or is not known.
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
                "invoice_settings": {"default_payment_method": "VARCHAR"}, "default_source": "VARCHAR"
            }'
        ) as customer
    from customers
),

-- What is charged where a subscription names nothing: null without a default.
opened as (
    select
        *,
        customer.invoice_settings.default_payment_method as method,
        case when method is null then customer.default_source end as old_method,
        from_json(
            case when starts_with(method, '{') then method end,
            '{"card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}}'
        ) as known_method,
        from_json(
            case when starts_with(old_method, '{') then old_method end,
            '{
                "object": "VARCHAR", "brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER",
                "card": {"brand": "VARCHAR", "last4": "VARCHAR", "exp_year": "INTEGER", "exp_month": "INTEGER"}
            }'
        ) as known_old_method
    from parsed
),

cleaned as (
    select
        *,
        coalesce(
            known_method.card,
            known_old_method.card,
            -- A card of old is the source itself; a bank account has four last digits too.
            case
                when known_old_method.object = 'card'
                    then struct_pack(
                        brand := known_old_method.brand,
                        last4 := known_old_method.last4,
                        exp_year := known_old_method.exp_year,
                        exp_month := known_old_method.exp_month
                    )
            end
        ) as card
    from opened
)

select
    id,
    created,
    livemode,
    deleted,
    nullif(trim(customer.email, ' ' || chr(9) || chr(10) || chr(13) || chr(160)), '') as email,
    coalesce(
        nullif(trim(customer.name), ''),
        nullif(trim(customer.individual_name), ''),
        nullif(trim(customer.business_name), '')
    ) as name,
    nullif(trim(customer.phone), '') as phone,
    nullif(trim(customer.description), '') as description,
    coalesce(nullif(trim(customer.address.country), ''), nullif(trim(customer.shipping.address.country), '')) as country,
    nullif(trim(customer.preferred_locales[1]), '') as "language",
    lower(customer.currency) as currency,
    customer.balance as balance,
    customer.delinquent as delinquent,
    expanded_id(coalesce(method, old_method)) as default_method,
    struct_pack(
        brand := lower(nullif(trim(card.brand), '')),
        last4 := nullif(trim(card.last4), ''),
        exp_year := card.exp_year,
        exp_month := card.exp_month
    ) as card,
    coalesce(customer.discount.source.coupon, customer.discount.coupon) as discount_coupon,
    customer.metadata as metadata,
    case when deleted then as_of end as deleted_at,
    as_of,
    source_event_id,
    seq
from cleaned
