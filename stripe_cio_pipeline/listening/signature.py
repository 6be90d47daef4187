"""Whether a request is Stripe's: its signature over the raw body, by any of the secrets that are set.

docs.stripe.com/webhooks, "Verify webhook signatures manually". Stripe's own package is not used for this: it knows one
secret, takes a moment in the future, and raises errors of other kinds for a body or header that is no text.
"""

import hmac
import re
from collections.abc import Callable, Sequence
from hashlib import sha256

#: How far the moment of a signature may be from this machine's clock, before and after (seconds).
TOLERANCE_SECONDS = 300
#: No header of Stripe's is longer: a moment, and a signature for each living secret.
MOST_HEADER_BYTES = 2_048
#: The file with secrets is looked at so often at most, whatever comes in (seconds).
LOOK_SECONDS = 1.0

_MOMENT = re.compile(rb"[0-9]{1,12}")
_HEX = re.compile(rb"[0-9a-f]{64}")


class Forged(Exception):
    """The request is not to be believed. It says nothing more: whoever forges learns nothing."""


def read_header(header: bytes, now: float) -> tuple[int, tuple[bytes, ...]]:
    """Give moment and `v1` signatures of a header. Raises Forged: it is malformed, too old, or of the future.

    It costs no look at the body, so that what cannot be believed is not even read.
    """
    if len(header) > MOST_HEADER_BYTES:
        raise Forged
    moments, signatures = [], []
    for part in header.split(b","):
        name, _, value = part.strip().partition(b"=")
        if name == b"t":
            moments.append(value)
        elif name == b"v1":
            signatures.append(value)
    if len(moments) != 1 or not _MOMENT.fullmatch(moments[0]) or not signatures:
        raise Forged
    if not all(_HEX.fullmatch(signature) for signature in signatures):
        raise Forged
    moment = int(moments[0])
    if abs(now - moment) > TOLERANCE_SECONDS:
        raise Forged
    return moment, tuple(signatures)


def verify(body: bytes, moment: int, signatures: Sequence[bytes], secrets: Sequence[str]) -> None:
    """Raise Forged unless one of the signatures was made of this body with one of the secrets."""
    signed = f"{moment}.".encode() + body
    genuine = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed, sha256).hexdigest().encode()
        for signature in signatures:
            # No short way out: how long it takes tells nothing.
            genuine |= hmac.compare_digest(expected, signature)
    if not genuine:
        raise Forged


class Keyring:
    """The secrets that count now. They are read anew once what they stand in has changed, without a restart.

    `stamp` tells the state of that place, `read` gives the secrets; where it cannot, those that were known stay.
    """

    def __init__(
        self, read: Callable[[], Sequence[str]], stamp: Callable[[], object], *, clock: Callable[[], float]
    ) -> None:
        self._read = read
        self._stamp = stamp
        self._clock = clock
        self._seen = stamp()
        self._looked = clock()
        self._secrets = tuple(read())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets, as they stand now."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            seen = self._stamp()
            if seen != self._seen:
                self._seen = seen
                self._secrets = tuple(self._read()) or self._secrets
        return self._secrets
