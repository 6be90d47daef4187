-- One row per Stripe event to forward: its name in Customer.io and its data. `events` has those alone that the policy forwards
-- (`events.forward`); a name in `events.names` goes before the one given here. The data is flat, so that a mail can say
-- {{event.amount_due}}; nulls are left out before it is kept.
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
                        "lines": {"data": [{"description": "VARCHAR"}]},
                        "trial_end": "BIGINT", "current_period_end": "BIGINT", "cancel_at": "BIGINT",
                        "cancel_at_period_end": "BOOLEAN", "canceled_at": "BIGINT", "ended_at": "BIGINT",
                        "cancellation_details": {"reason": "VARCHAR", "feedback": "VARCHAR"},
                        "items": {
                            "data": [{
                                "quantity": "BIGINT", "current_period_end": "BIGINT",
                                "price": {
                                    "nickname": "VARCHAR", "product": "VARCHAR", "unit_amount": "BIGINT",
                                    "recurring": {"interval": "VARCHAR", "interval_count": "BIGINT"}
                                },
                                "plan": {
                                    "nickname": "VARCHAR", "product": "VARCHAR", "amount": "BIGINT",
                                    "interval": "VARCHAR", "interval_count": "BIGINT"
                                }
                            }]
                        },
                        "amount": "BIGINT", "amount_refunded": "BIGINT", "refunded": "BOOLEAN", "receipt_url": "VARCHAR",
                        "payment_method_details": {"card": {"brand": "VARCHAR", "last4": "VARCHAR"}},
                        "amount_total": "BIGINT", "mode": "VARCHAR", "payment_status": "VARCHAR", "invoice": "VARCHAR"
                    }
                }
            }'
        ).data as data
    from events
),

named as (
    select
        *,
        data.object as object,
        data.object.items.data[1] as item
    from parsed
)

select
    named.id as event_id,
    named.type,
    coalesce(named.customer_id, expanded_id(object.customer)) as customer_id,
    named.created,
    named.type as name,
    case
        when type like 'invoice.%'
            then json_object(
                'invoice_id', object.id,
                'number', object.number,
                'currency', lower(object.currency),
                'amount_due', major(object.amount_due, object.currency),
                'amount_paid', major(object.amount_paid, object.currency),
                'amount_remaining', major(object.amount_remaining, object.currency),
                'attempt_count', object.attempt_count,
                'next_payment_attempt_at', object.next_payment_attempt,
                'due_at', object.due_date,
                'description', object.lines.data[1].description,
                'billing_reason', object.billing_reason,
                'subscription_id',
                expanded_id(coalesce(object.parent.subscription_details.subscription, object.subscription)),
                'hosted_invoice_url', object.hosted_invoice_url,
                'invoice_pdf', object.invoice_pdf,
                'card_brand', customers.card_brand,
                'card_last4', customers.card_last4
            )
        when type like 'customer.subscription.%'
            then json_object(
                'subscription_id', object.id,
                'status', object.status,
                'previous_status', named.data.previous_attributes ->> 'status',
                'changed', array_to_string(json_keys(named.data.previous_attributes), ', '),
                'plan', coalesce(products.name, item.price.nickname, item.plan.nickname),
                'quantity', item.quantity,
                'currency', lower(object.currency),
                'unit_amount', major(coalesce(item.price.unit_amount, item.plan.amount), object.currency),
                'billing_interval', coalesce(item.price.recurring."interval", item.plan."interval"),
                'trial_ends_at', object.trial_end,
                'current_period_ends_at', coalesce(item.current_period_end, object.current_period_end),
                'cancel_at_period_end', object.cancel_at_period_end,
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
                'amount_refunded', major(object.amount_refunded, object.currency),
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
left join products on expanded_id(coalesce(item.price.product, item.plan.product)) = products.id
