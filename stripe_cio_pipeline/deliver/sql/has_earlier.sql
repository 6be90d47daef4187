-- Whether the ledger has anybody from before these groups. On a first load it has not, and only the least `seq` of each row
-- group is read to see that.
select 1 from customerio.people where seq <= $mark limit 1
