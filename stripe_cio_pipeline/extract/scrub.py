"""Taking secrets out of payloads before anything is stored, and giving payloads one canonical form.

Events carry the `client_secret` of payment intents, setup intents and checkout sessions, keys of ephemeral keys and
webhook endpoints, and the sign-in address of portal sessions. Whoever holds one can act as the customer.
"""

import hashlib
from typing import Any

import orjson

_SECRET_KEYS = frozenset({"client_secret", "confirmation_secret", "secret", "ephemeral_key"})
#: Every secret key name contains one of these, so that a body without them needs no walk.
_TRACES = (b"secret", b"ephemeral_key", b"billing_portal.session")


def may_hold_secrets(body: bytes) -> bool:
    """Whether a raw answer is worth a walk; never False for one that holds a secret."""
    return any(trace in body for trace in _TRACES)


def scrub(value: Any) -> Any:
    """Remove secrets from a parsed payload, in place, at any depth; gives it back."""
    if isinstance(value, dict):
        for key in _SECRET_KEYS.intersection(value):
            # Metadata is the merchant's own text, and a key named `secret` there is their choice, but not ours to keep.
            del value[key]
        if value.get("object") == "billing_portal.session":
            value.pop("url", None)
        for inner in value.values():
            if isinstance(inner, (dict, list)):
                scrub(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (dict, list)):
                scrub(inner)
    return value


def canonical(payload: Any) -> bytes:
    """Write a payload as JSON with sorted keys: equal content gives equal bytes, whatever call it came from."""
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)


def content_hash(text: bytes) -> str:
    """Hash a canonical payload: 128 bits of SHA-256 in hexadecimal, as `left(sha256(payload), 32)` in DuckDB."""
    return hashlib.sha256(text, usedforsecurity=False).hexdigest()[:32]
