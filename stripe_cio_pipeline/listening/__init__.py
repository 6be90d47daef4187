"""`stripe-cio listen`: a door for Stripe's webhooks, an inbox on disk, and a worker that takes the road of a sync.

Whoever only looks into the inbox imports `listening.inbox`, or `listening.backlog` where mostly there is none; the
server is imported by `listening.serving` alone.
"""

#: The inbox, in the home folder.
FILE_NAME = "inbox.sqlite"
