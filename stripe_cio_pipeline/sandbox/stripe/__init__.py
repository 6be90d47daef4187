"""The Stripe side of the sandbox."""
