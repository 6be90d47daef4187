-- The guard counts what was sent in the last hour and day. What was approved, and a first load that policy lets through, is
-- not counted again.
alter table customerio.answers add column is_unmeasured boolean;
