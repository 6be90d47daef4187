-- Other rows of one object type, as an extraction leaves them: what Stripe says of {rows} people is not what it was.
create or replace temp table moved as
select * replace (
    {seq} as seq,
    json_merge_patch(
        payload,
        case '{name}'
            when 'customers' then '{{"name": "Another name"}}'
            when 'subscriptions' then '{{"trial_end": 1800000000}}'
            when 'invoices' then '{{"status": "open", "amount_remaining": 1234, "attempt_count": 3}}'
            when 'charges' then '{{"status": "succeeded", "amount_captured": 4321}}'
        end
    ) as payload
)
from stripe.{name}
order by hash(customer_id, {part})
limit {rows};

delete from stripe.{name}
where id in (select id from moved);

insert into stripe.{name} from moved
