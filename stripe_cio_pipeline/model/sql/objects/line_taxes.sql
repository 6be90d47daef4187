-- One row per line of an invoice that has tax in its amount, for items of subscriptions: `inclusive_tax` is its percentage. Only
-- here stands what Stripe Tax works out. The item and the taxes stand in `subscription_item` and `tax_amounts` up to
-- acacia, in `parent` and `taxes` since basil.
with parsed as (
    select
        id,
        customer_id,
        created,
        from_json(
            payload,
            '{
                "lines": {
                    "data": [{
                        "subscription_item": "VARCHAR",
                        "parent": {"subscription_item_details": {"subscription_item": "VARCHAR"}},
                        "taxes": [{"amount": "BIGINT", "taxable_amount": "BIGINT", "tax_behavior": "VARCHAR"}],
                        "tax_amounts": [{"amount": "BIGINT", "taxable_amount": "BIGINT", "inclusive": "BOOLEAN"}]
                    }]
                }
            }'
        ) as invoice
    from invoices
    -- Few accounts have such taxes, and reading all lines takes long.
    where payload like '%"inclusive"%'
),

unnested as (
    select id, customer_id, created, unnest(invoice.lines.data) as line
    from parsed
),

taxed as (
    select
        id,
        customer_id,
        created,
        coalesce(line.parent.subscription_item_details.subscription_item, line.subscription_item) as item_id,
        coalesce(
            list_sum(
                list_transform(
                    line.taxes,
                    lambda tax: case
                        when tax.tax_behavior = 'inclusive' then 100 * tax.amount / nullif(tax.taxable_amount, 0)
                    end
                )
            ),
            list_sum(
                list_transform(
                    line.tax_amounts,
                    lambda tax: case when tax.inclusive then 100 * tax.amount / nullif(tax.taxable_amount, 0) end
                )
            )
        ) as inclusive_tax
    from unnested
)

select id as invoice_id, customer_id, created, item_id, inclusive_tax
from taxed
where item_id is not null and inclusive_tax is not null
