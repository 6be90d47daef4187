"""A second computation of the ids that events carry, beside the one in SQL (plan/sql/events.sql)."""

import hashlib

from ulid import ULID


def event_ulid(event_id: str, created: int) -> str:
    """Give the ULID of a Stripe event: its time (`created`, unix seconds) and 80 bits of sha256 of its id."""
    moment = (created * 1000).to_bytes(6, "big")
    return str(ULID.from_bytes(moment + hashlib.sha256(event_id.encode()).digest()[:10]))
