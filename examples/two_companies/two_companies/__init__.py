"""A Dagster project with two pipelines from Stripe to Customer.io."""
