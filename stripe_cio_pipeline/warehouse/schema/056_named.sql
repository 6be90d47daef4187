-- What no list gives and something names (archived prices, former coupons): read by id once, found or not.
create table pipeline.named (
    object varchar not null,
    id varchar not null,
    run_id varchar
);
