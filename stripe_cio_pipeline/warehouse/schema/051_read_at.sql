-- When a row was read, by this machine's clock: when its answer was asked for, or its event's snapshot stored. An answer
-- that was asked for before never replaces it. Null (from before this step) gives way to anything.

alter table stripe.customers add column read_at timestamp;
alter table stripe.subscriptions add column read_at timestamp;
alter table stripe.invoices add column read_at timestamp;
alter table stripe.charges add column read_at timestamp;
alter table stripe.products add column read_at timestamp;
alter table stripe.prices add column read_at timestamp;
alter table stripe.coupons add column read_at timestamp;

alter table pipeline.listed add column read_at timestamp;
