"""Event ids that Customer.io can deduplicate by: a ULID that is always the same for the same Stripe event."""

import hashlib

from ulid import ULID


def event_ulid(event_id: str, created: int) -> str:
    """Give the ULID of a Stripe event: its time (`created`, unix seconds) and 80 bits of sha256 of its id.

    A repeat after a crash has the same id, which Customer.io drops (Track API v2, event `id`).
    """
    moment = (created * 1000).to_bytes(6, "big")
    return str(ULID.from_bytes(moment + hashlib.sha256(event_id.encode()).digest()[:10]))
