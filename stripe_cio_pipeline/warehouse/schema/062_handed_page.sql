-- The page of events that a look for changes has read, for the run that it starts: it is not asked for again.
create table pipeline.handed_page (
    token varchar not null,
    -- Since when its events are (Stripe's clock), and what that clock showed in the answer.
    since bigint not null,
    told bigint not null,
    version varchar,
    read_at bigint not null,
    -- Whether that clock is a sandbox's, which is moved by hand.
    simulated boolean not null,
    body json not null
);
