-- How many have moved since the last plan, in the model or in the ledger, and how many people there are.
select
    greatest(
        (select count(*) from model.people where _seq > $mark),
        (select count(*) from customerio.people where seq > $mark)
    ) as moved,
    (select count(*) from model.people) as people
