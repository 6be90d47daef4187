"""Keeps Customer.io in step with Stripe."""
