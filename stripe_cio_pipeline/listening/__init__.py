"""`stripe-cio listen`: a door for Stripe's webhooks, an inbox on disk, and a worker that takes the road of a sync.

Whoever only looks into the inbox imports `listening.inbox`; the server is imported by `listening.serving` alone.
"""
