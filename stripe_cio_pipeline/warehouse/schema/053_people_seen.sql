-- Since when reading back misses a person who was accepted, or whose link was: null where nobody has looked, and where the
-- last look found them. Absence is believed hours later, and never for good.
alter table customerio.people add column missed_at timestamp;
