-- One row per Stripe event to forward: its name in Customer.io and its data. `events` has those alone that the policy forwards
-- (`events.forward`); a name in `events.names` goes before the one given here. The data is flat, so that a mail can say
-- {{event.amount_due}}; nulls are left out before it is kept. Where it is null, it is made by rule (docs/events.md).
with parsed as (
    select
        id,
        type,
        customer_id,
        created,
        from_json(
            payload,
            '{
                "data": {
                    "previous_attributes": "JSON",
                    "object": {
                        "id": "VARCHAR", "customer": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR",
                        "number": "VARCHAR", "amount_due": "BIGINT", "amount_paid": "BIGINT",
                        "amount_remaining": "BIGINT", "attempt_count": "BIGINT", "next_payment_attempt": "BIGINT",
                        "due_date": "BIGINT", "hosted_invoice_url": "VARCHAR", "invoice_pdf": "VARCHAR",
                        "billing_reason": "VARCHAR", "subscription": "VARCHAR",
                        "parent": {"subscription_details": {"subscription": "VARCHAR"}},
                        "period_end": "BIGINT", "charge": "VARCHAR",
                        "lines": {
                            "data": [{
                                "description": "VARCHAR", "amount": "BIGINT", "quantity": "BIGINT", "proration": "BOOLEAN",
                                "parent": {"subscription_item_details": {"proration": "BOOLEAN"}},
                                "pricing": {"price_details": {"price": "VARCHAR", "product": "VARCHAR"}},
                                "price": {"id": "VARCHAR", "nickname": "VARCHAR", "product": "VARCHAR"},
                                "plan": {
                                    "id": "VARCHAR", "nickname": "VARCHAR", "product": "VARCHAR", "name": "VARCHAR"
                                }
                            }]
                        },
                        "default_payment_method": "VARCHAR", "default_source": "VARCHAR",
                        "trial_end": "BIGINT", "current_period_end": "BIGINT", "cancel_at": "BIGINT",
                        "cancel_at_period_end": "BOOLEAN", "canceled_at": "BIGINT", "ended_at": "BIGINT",
                        "cancellation_details": {"reason": "VARCHAR", "feedback": "VARCHAR"},
                        "items": {
                            "data": [{
                                "quantity": "BIGINT", "current_period_end": "BIGINT",
                                "price": {
                                    "id": "VARCHAR", "nickname": "VARCHAR", "product": "VARCHAR", "currency": "VARCHAR",
                                    "unit_amount": "BIGINT",
                                    "recurring": {"interval": "VARCHAR", "interval_count": "BIGINT"}
                                },
                                "plan": {
                                    "id": "VARCHAR", "nickname": "VARCHAR", "product": "VARCHAR", "currency": "VARCHAR",
                                    "amount": "BIGINT", "interval": "VARCHAR", "interval_count": "BIGINT", "name": "VARCHAR"
                                }
                            }]
                        },
                        "plan": {
                            "id": "VARCHAR", "nickname": "VARCHAR", "product": "VARCHAR", "currency": "VARCHAR",
                            "amount": "BIGINT", "interval": "VARCHAR", "interval_count": "BIGINT", "name": "VARCHAR"
                        },
                        "quantity": "BIGINT",
                        "amount": "BIGINT", "amount_captured": "BIGINT", "amount_refunded": "BIGINT",
                        "refunded": "BOOLEAN", "receipt_url": "VARCHAR",
                        "payment_method_details": {"card": {"brand": "VARCHAR", "last4": "VARCHAR"}},
                        "amount_total": "BIGINT", "mode": "VARCHAR", "payment_status": "VARCHAR", "invoice": "VARCHAR"
                    }
                }
            }'
        ).data as data
    from events
),

opened as (
    select
        *,
        data.object as object,
        data.object.items.data[1] as item,
        -- What an invoice is for. The first line of an upgrade is a credit for the old plan, and the next one a part of a period.
        list_filter(data.object.lines.data, lambda line: line.amount >= 0) as charges_of_it,
        coalesce(
            list_filter(
                charges_of_it,
                lambda line: not coalesce(line.proration, line.parent.subscription_item_details.proration, false)
            )[1],
            charges_of_it[1],
            data.object.lines.data[1]
        ) as line,
        -- A subscription of old had one plan, and no items.
        coalesce(data.object.items.data[1].plan, data.object.plan) as plan
    from parsed
),

named as (
    select
        *,
        lower(coalesce(object.currency, item.price.currency, plan.currency)) as currency,
        list_transform(object.items.data, lambda each: each.current_period_end) as period_ends,
        expanded_id(coalesce(object.parent.subscription_details.subscription, object.subscription)) as subscription_id,
        expanded_id(coalesce(object.default_payment_method, object.default_source)) as charged,
        -- Of an amount that is captured in part the rest counts as refunded, and was never paid.
        coalesce(object.amount - object.amount_captured, 0) as released,
        greatest(object.amount_refunded - released, 0) as amount_refunded,
        case
            when data.previous_attributes ->> 'captured' = 'false' then 0
            when try_cast(data.previous_attributes ->> 'amount_refunded' as bigint) is not null
                then greatest(try_cast(data.previous_attributes ->> 'amount_refunded' as bigint) - released, 0)
        end as amount_refunded_before
    from opened
)

select
    named.id as event_id,
    named.type,
    -- Whose a dispute is, a refund, or a payment of an invoice, only their charge or invoice tells.
    coalesce(
        named.customer_id, expanded_id(object.customer), charges.customer_id, invoices.customer_id
    ) as customer_id,
    named.created,
    named.type as name,
    case
        when type like 'invoice.%'
            then json_object(
                -- The id of a preview can be read nowhere.
                'invoice_id', case when type <> 'invoice.upcoming' then object.id end,
                'number', object.number,
                'currency', lower(object.currency),
                'amount_due', major(object.amount_due, object.currency),
                'amount_paid', major(object.amount_paid, object.currency),
                'amount_remaining', major(object.amount_remaining, object.currency),
                'attempt_count', object.attempt_count,
                'next_payment_attempt_at', object.next_payment_attempt,
                'due_at', object.due_date,
                'description', line.description,
                'plan',
                case
                    when named.subscription_id is not null
                        then coalesce(
                            products.name, nullif(line.price.nickname, ''), nullif(line.plan.nickname, ''), line.plan.name
                        )
                end,
                'quantity', line.quantity,
                -- The period that a preview looks back on ends when the next one begins.
                'renews_at', case when type = 'invoice.upcoming' then object.period_end end,
                'billing_reason', object.billing_reason,
                'subscription_id', named.subscription_id,
                'hosted_invoice_url', object.hosted_invoice_url,
                'invoice_pdf', object.invoice_pdf,
                'card_brand',
                case coalesce(charged, subscriptions.default_method, customers.default_method)
                    when subscriptions.default_method then subscriptions.card.brand
                    when customers.default_method then customers.card.brand
                end,
                'card_last4',
                case coalesce(charged, subscriptions.default_method, customers.default_method)
                    when subscriptions.default_method then subscriptions.card.last4
                    when customers.default_method then customers.card.last4
                end
            )
        when type like 'customer.subscription.%'
            then json_object(
                'subscription_id', object.id,
                'status', object.status,
                'previous_status', named.data.previous_attributes ->> 'status',
                'changed', array_to_string(json_keys(named.data.previous_attributes), ', '),
                'plan', coalesce(products.name, nullif(item.price.nickname, ''), nullif(plan.nickname, ''), plan.name),
                'quantity', coalesce(item.quantity, object.quantity),
                'currency', named.currency,
                'unit_amount',
                major(
                    case
                        when lower(coalesce(item.price.currency, plan.currency)) <> named.currency
                            then prices.currency_options[named.currency].unit_amount
                        else coalesce(item.price.unit_amount, plan.amount)
                    end,
                    named.currency
                ),
                'billing_interval', coalesce(item.price.recurring."interval", plan."interval"),
                'trial_ends_at', object.trial_end,
                'current_period_ends_at', coalesce(item.current_period_end, object.current_period_end),
                'cancel_at_period_end',
                -- In flexible billing mode Stripe says false, and sets `cancel_at` to the end of the period or the trial.
                case
                    when object.cancel_at in (
                        list_min(period_ends), list_max(period_ends), object.current_period_end, object.trial_end
                    ) then true
                    else object.cancel_at_period_end
                end,
                'cancels_at', object.cancel_at,
                'canceled_at', object.canceled_at,
                'ended_at', object.ended_at,
                'cancellation_reason', object.cancellation_details.reason,
                'cancellation_feedback', object.cancellation_details.feedback
            )
        when type = 'charge.refunded'
            then json_object(
                'charge_id', object.id,
                'currency', lower(object.currency),
                'amount', major(object.amount, object.currency),
                'amount_refunded', major(named.amount_refunded, object.currency),
                -- All refunds of a charge add up in it. This one is what came after the last.
                'refund_amount', major(named.amount_refunded - amount_refunded_before, object.currency),
                'fully_refunded', object.refunded,
                'receipt_url', object.receipt_url,
                'card_brand', object.payment_method_details.card.brand,
                'card_last4', object.payment_method_details.card.last4
            )
        when type = 'checkout.session.completed'
            then json_object(
                'session_id', object.id,
                'mode', object.mode,
                'currency', lower(object.currency),
                'amount_total', major(object.amount_total, object.currency),
                'payment_status', object.payment_status,
                'subscription_id', expanded_id(object.subscription),
                'invoice_id', expanded_id(object.invoice)
            )
    end as data
from named
left join customers on coalesce(named.customer_id, expanded_id(object.customer)) = customers.id
left join subscriptions on named.subscription_id = subscriptions.id
left join charges on expanded_id(object.charge) = charges.id
left join invoices on expanded_id(object.invoice) = invoices.id
left join prices
    on coalesce(item.price.id, plan.id, line.pricing.price_details.price, line.price.id, line.plan.id) = prices.id
left join products
    on expanded_id(
        coalesce(
            item.price.product,
            plan.product,
            line.pricing.price_details.product,
            line.price.product,
            line.plan.product,
            prices.product_id
        )
    ) = products.id
