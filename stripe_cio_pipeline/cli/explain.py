"""`explain` and `lineage`: where a person's values, and an attribute, come from."""
